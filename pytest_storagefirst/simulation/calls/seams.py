"""The seams of boto3 and botocore, where a handler's calls come over to the boundary.

Patched once per process; while no simulation is active each of them is the original.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any

from pytest_storagefirst.simulation import modules
from pytest_storagefirst.simulation.calls import clients, fronts
from pytest_storagefirst.simulation.calls.boundary import attempt, aws_call
from pytest_storagefirst.simulation.routing import hooks
from pytest_storagefirst.simulation.world import transactions

_active: Any = None
_thread = 0
_installed = False


def activate(simulation: Any) -> None:
    """Make `simulation` (or None) the one that all calls of this thread belong to."""
    global _active, _thread
    _install()
    _active, _thread = simulation, get_ident()


def here() -> Any:
    """The simulation that the calling code is in; other threads of the process are in none."""
    return _active if _active is not None and get_ident() == _thread else None


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    from boto3.resources.factory import ResourceFactory
    from botocore.client import BaseClient
    from botocore.exceptions import EndpointConnectionError
    from botocore.httpsession import URLLib3Session
    from botocore.signers import RequestSigner
    from botocore.useragent import UserAgentString

    make_client, make_request = BaseClient.__init__, BaseClient._make_request
    make_api_call = BaseClient._make_api_call
    send, load = URLLib3Session.send, ResourceFactory.load_from_definition
    user_agent, sign = UserAgentString.to_string, RequestSigner.handler

    def boundary_make_client(self: Any, *args: Any, **kwargs: Any) -> None:
        simulation = here()
        self._made_in_simulation = simulation is not None and simulation.current is not None
        make_client(self, *args, **kwargs)

    def boundary_make_request(self: Any, model: Any, request: Any, context: Any) -> Any:
        simulation = here()
        if simulation is None or simulation.current is None:
            # A finalizer or a generator's `finally`, run when its handler is long gone.
            if self._made_in_simulation or modules.called_by_handler():
                raise EndpointConnectionError(endpoint_url=self.meta.endpoint_url)
            return make_request(self, model, request, context)
        # Before anything else runs: the key is this call's own.
        key, simulation.front_key = simulation.front_key, None
        if key is not None:
            fronts.keep(key, self, model, request, context)
        return aws_call(
            simulation, self, model, request, lambda: make_request(self, model, request, context)
        )

    def boundary_make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        simulation = here()
        if simulation is None or simulation.current is None:
            return make_api_call(self, operation_name, api_params)
        key = fronts.key(self, operation_name, api_params)
        front = fronts.find(key) if key is not None else None
        if front is None:
            simulation.front_key = key
            try:
                return make_api_call(self, operation_name, api_params)
            finally:
                if simulation.front_key is key:  # it was refused before it came to a request
                    simulation.front_key = None
        answer = aws_call(
            simulation,
            self,
            front.model,
            front.request,
            lambda: make_request(self, front.model, *fronts.request_of(front)),
        )
        return fronts.answered(self, front, answer)

    def boundary_send(self: Any, request: Any) -> Any:
        simulation = here()
        if simulation is not None:
            return attempt(simulation, request)
        if modules.called_by_handler():
            raise EndpointConnectionError(endpoint_url=request.url)
        return send(self, request)

    def boundary_load(self: Any, *args: Any, **kwargs: Any) -> Any:
        if here() is None:
            return load(self, *args, **kwargs)
        return clients.resource_class(load, self, *args, **kwargs)

    def boundary_user_agent(self: Any) -> str:
        return "simulated" if here() is not None else str(user_agent(self))

    def boundary_sign(
        self: Any, operation_name: Any = None, request: Any = None, **kwargs: Any
    ) -> None:
        if not self.is_unread or self._credentials is None:
            sign(self, operation_name, request, **kwargs)
            return
        scope = f"20260101/{self._region_name}/{self._signing_name}/aws4_request"
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}, "
            "SignedHeaders=host, Signature=unread"
        )

    BaseClient._made_in_simulation = False
    BaseClient._made_as = None
    BaseClient.__init__ = boundary_make_client
    BaseClient._make_request = boundary_make_request
    BaseClient._make_api_call = boundary_make_api_call
    UserAgentString.to_string = boundary_user_agent
    RequestSigner.is_unread = False  # nobody looks further than at who signed for where
    RequestSigner.handler = boundary_sign
    URLLib3Session.send = boundary_send
    ResourceFactory.load_from_definition = boundary_load
    hooks.install("lambda", here)
    transactions.install(here)
    _install_pool()


def _install_pool() -> None:
    """Let handlers' sessions and clients come from the pool."""
    from boto3.session import Session
    from botocore.retries.quota import RetryQuota

    make_session, client, resource = Session.__init__, Session.client, Session.resource
    make_quota = RetryQuota.__init__

    def pooled_session(cls: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = here()
        if cls is not Session or simulation is None or simulation.current is None:
            return object.__new__(cls)
        found, key = clients.session(simulation.current.environment, args, kwargs)
        if found is None:
            found = object.__new__(cls)
            found.kept_as = key
        return found

    def pooled_init(self: Any, *args: Any, **kwargs: Any) -> None:
        if "_session" in vars(self):
            return
        make_session(self, *args, **kwargs)
        key = vars(self).get("kept_as")
        simulation = here()
        if key is not None and simulation is not None and simulation.current is not None:
            clients.keep_session(simulation.current.environment, self, key)

    def pooled_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = here()
        if simulation is None or simulation.current is None:
            return client(self, *args, **kwargs)
        environment = simulation.current.environment
        return clients.pooled(environment, client, "client", self, args, kwargs)

    def pooled_resource(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = here()
        if simulation is None or simulation.current is None:
            return resource(self, *args, **kwargs)
        environment = simulation.current.environment
        return clients.pooled(environment, resource, "resource", self, args, kwargs)

    def noted_quota(self: Any, *args: Any, **kwargs: Any) -> None:
        make_quota(self, *args, **kwargs)
        if here() is not None:
            clients.note_quota(self)

    Session.__new__, Session.__init__ = pooled_session, pooled_init
    Session.client, Session.resource = pooled_client, pooled_resource
    RetryQuota.__init__ = noted_quota
