"""moto's CloudFormation engine, made to create resources by the handlers of this package.

moto walks the resources and keeps the stack; what a resource's properties are and how it is created
is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError, ParamValidationError

from ...errors import TemplateError
from ..intrinsics import Resolver
from . import (
    account,
    apigateway,
    apigatewayv2,
    appconfig,
    awslambda,
    dynamodb,
    messaging,
    moto_models,
    sqs,
    storage,
)
from .model import Handler, Making, Resource

HANDLERS: dict[str, Handler] = {
    **account.HANDLERS,
    **apigateway.HANDLERS,
    **apigatewayv2.HANDLERS,
    **appconfig.HANDLERS,
    **awslambda.HANDLERS,
    **dynamodb.HANDLERS,
    **messaging.HANDLERS,
    **sqs.HANDLERS,
    **storage.HANDLERS,
}


class Engine:
    """Stands where moto looks for the class of a resource type.

    `properties` are the resources' own, in which references to resources already standing become
    values. `failure` keeps the error that ended a deployment: botocore may wrap or retry what moto
    raises.
    """

    def __init__(
        self, making: Callable[[str, str], Making], properties: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._making = making
        self._properties = properties
        self._standing: dict[str, Resource] = {}
        self._own: set[str] = set()
        self.failure: TemplateError | None = None

    def create_from_cloudformation_json(
        self,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **identity: Any,
    ) -> Resource:
        kind, logical_id = identity["ResourceType"], identity["LogicalId"]
        making = replace(self._making(logical_id, kind), own=self._own)
        try:
            resource = HANDLERS.get(kind, account.inert)(making, self._resolved(making))
        except TemplateError as error:
            self.failure = error
        except ParamValidationError as error:
            problem = str(error).removeprefix("Parameter validation failed:").strip()
            self.failure = TemplateError(f"AWS refuses {kind}: {problem}", where=making.where)
        except ClientError as error:
            refusal = error.response["Error"]
            said = f"{refusal.get('Code')}: {refusal.get('Message')}"
            self.failure = (
                TemplateError(
                    f"{kind} needs a value that does not stand in this template",
                    where=making.where,
                    found=f"one that was made up in its place, which is refused: {said}",
                    expected="a resource of this template, or the value itself",
                    remedy="give it under [parameters] or [imports] of storagefirst.toml; what a "
                    "nested stack makes (it is not read) has to stand in this template",
                )
                if "invented-" in said
                else TemplateError(f"AWS refuses {kind}: {said}", where=making.where)
            )
        except Exception as error:
            self.failure = TemplateError(
                f"{kind} can't be stood up in moto",
                where=making.where,
                found=f"{type(error).__name__}: {error}",
                expected="the form that AWS documents for this type",
            )
        else:
            resource.logical_resource_id = logical_id
            self._standing[logical_id] = resource
            if kind in HANDLERS:
                self._own.update(_names(resource))
            return resource
        raise self.failure

    def _resolved(self, making: Making) -> Mapping[str, Any]:
        resolver = Resolver(
            parameters={},
            mappings={},
            conditions={},
            pseudo_parameters={"AWS::Region": making.region, "AWS::AccountId": making.account},
            standing=self._standing,
            where=making.where,
            final=True,
        )
        resolved: Mapping[str, Any] = resolver.resolve(self._properties[making.logical_id])
        return resolved


def _names(resource: Resource) -> Iterator[str]:
    """What others of the stack call a resource by."""
    yield resource.physical_resource_id
    for name, value in resource.attributes.items():
        if name.endswith("Arn") and isinstance(value, str):
            yield value


@contextmanager
def engine(
    making: Callable[[str, str], Making], properties: Mapping[str, Mapping[str, Any]]
) -> Iterator[Engine]:
    """moto's CloudFormation with our resource types while the block runs, and nothing left after.

    A bucket's notifications don't send S3's test event: nothing may be in a queue after deployment.
    """
    from moto.s3 import notifications

    parsing = moto_models.parsing()
    ours = Engine(making, properties)
    with (
        mock.patch.object(parsing, "resource_class_from_type", return_value=ours),
        mock.patch.object(parsing, "resource_name_property_from_type", return_value=None),
        mock.patch.object(notifications, "send_test_event", return_value=None),
    ):
        yield ours
