"""A target in AWS: a CloudFormation stack by its name, reached by boto3's own credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.settings import AllowedTarget, Settings, nearest
from pytest_storagefirst.settings_file import FILE_NAME, load_settings
from pytest_storagefirst.target.target import STACK, Clients, Target, is_loopback

_STANDS = (
    *("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"),
    *("UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
    # The stack stands; what it no longer needs is being removed.
    *("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = (
    *("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"),
    *("SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidSignatureException"),
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


def named_target(name: str, folder: Path) -> Target:
    """The stack of this name. Unless it is on loopback, storagefirst.toml in `folder` has to allow
    it, by account and region, before anything is asked.

    Raises TargetError, SettingsError.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound

    settings = load_settings(folder / "template.yaml")
    told = STACK + name
    try:
        session = boto3.Session()
    except ProfileNotFound as error:
        raise TargetError("AWS_PROFILE names no profile", where=told, found=str(error)) from None
    allowed = [one for one in settings.targets if one.stack == name]
    region = session.region_name or (allowed[0].region if len(allowed) == 1 else None)
    if region is None:
        raise TargetError(
            "no region is chosen",
            where=told,
            expected="AWS_DEFAULT_REGION, or a region in the profile",
            remedy="export AWS_DEFAULT_REGION=…",
        )
    with _told(told, "AWS"):
        endpoint_url = session.client("cloudformation", region_name=region).meta.endpoint_url
    on_loopback = is_loopback(endpoint_url)
    chosen = None if on_loopback else _allowed(name, region, endpoint_url, settings, allowed)
    if session.region_name != region:
        session = boto3.Session(region_name=region)
    clients = Clients(session, endpoint_url if on_loopback else None)
    with _told(told, endpoint_url):
        account = str(clients.client("sts").get_caller_identity()["Account"])
        if chosen is not None and account != chosen.account:
            raise _wrong_account(told, account, chosen)
        stack = _stack(clients.client("cloudformation"), name, told, region, account)
    arn = str(stack["StackId"]).split(":")
    if chosen is not None and (arn[3], arn[4]) != (chosen.region, chosen.account):
        raise TargetError(
            "this stack is not the one that is allowed",
            where=told,
            found=str(stack["StackId"]),
            expected=f"account {chosen.account}, region {chosen.region} ({chosen.where})",
        )
    return Target(
        name=told,
        stack_name=name,
        region=region,
        account=account,
        endpoint_url=clients.endpoint_url,
        settings=settings,
        downstream_url=None,
        clients=clients,
    )


def _allowed(
    name: str, region: str, endpoint_url: str, settings: Settings, allowed: list[AllowedTarget]
) -> AllowedTarget:
    told = STACK + name
    if not allowed:
        names = [one.stack for one in settings.targets]
        raise TargetError(
            "this stack is not allowed as a target: it is not on this machine",
            where=told,
            found=f"{endpoint_url}; allowed: {', '.join(names) or 'none'}",
            expected="its stack, account and region in an allow list",
            remedy=nearest(name, names, instead="use")
            or f"write in {FILE_NAME}, if load on it does no harm:\n"
            f'            [[target]]\n            stack = "{name}"\n'
            f'            account = "…"\n            region = "{region}"',
        )
    for one in allowed:
        if one.region == region:
            return one
    raise TargetError(
        "the stack is not allowed in this region",
        where=told,
        found=region,
        expected=", ".join(f"{one.region} ({one.where})" for one in allowed),
        remedy=f"export AWS_DEFAULT_REGION={allowed[0].region}",
    )


def _wrong_account(told: str, account: str, chosen: AllowedTarget) -> TargetError:
    return TargetError(
        "the credentials are another account's",
        where=told,
        found=f"account {account}",
        expected=f"account {chosen.account} ({chosen.where})",
        remedy="choose the profile: export AWS_PROFILE=…",
    )


def _stack(client: Any, name: str, told: str, region: str, account: str) -> dict[str, Any]:
    """What CloudFormation says of the stack, which stands."""
    from botocore.exceptions import ClientError

    try:
        stack: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        said = error.response["Error"]
        if said.get("Code") != "ValidationError" and "does not exist" not in str(said):
            raise
        names = _names(client)
        raise TargetError(
            "no such stack",
            where=told,
            found=f"account {account}, region {region}: {', '.join(names) or 'no stack at all'}",
            remedy=nearest(name, names) or "name the stack as CloudFormation does, and its region",
        ) from None
    if stack["StackStatus"] not in _STANDS:
        raise TargetError(
            "the stack does not stand",
            where=told,
            found=str(stack["StackStatus"]),
            expected=", ".join(_STANDS[:2]),
            remedy="wait until it is deployed, or mend its deployment",
        )
    return stack


def _names(client: Any) -> list[str]:
    """Some of the stacks that there are, as far as that may be known."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client.list_stacks(StackStatusFilter=list(_STANDS))["StackSummaries"]
    except (BotoCoreError, ClientError):
        return []
    return sorted(one["StackName"] for one in found)[:20]


@contextmanager
def _told(told: str, endpoint_url: str) -> Iterator[None]:
    """botocore's errors as what a user can mend."""
    from botocore import exceptions, parsers

    def error(problem: str, found: object, **more: str) -> TargetError:
        return TargetError(problem, where=told, found=str(found), **more)

    try:
        yield
    except exceptions.ClientError as said:
        raise _refused(said, endpoint_url, error) from None
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as said:
        raise error(
            "no credentials are found",
            said,
            expected="what boto3 takes: AWS_PROFILE, AWS_ACCESS_KEY_ID and the like",
            remedy="aws configure, or aws sso login",
        ) from None
    except (exceptions.SSOError, exceptions.TokenRetrievalError) as said:
        raise error("the credentials have expired", said, remedy="aws sso login") from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as said:
        raise error("nothing answers", said, expected=f"an answer from {endpoint_url}") from None
    except (parsers.ResponseParserError, KeyError, IndexError, TypeError) as said:
        raise _foreign(said, endpoint_url, error) from None
    except exceptions.BotoCoreError as said:
        raise error("AWS can't be asked", said) from None


def _refused(said: Any, endpoint_url: str, error: Callable[..., TargetError]) -> TargetError:
    code, text = str(said.response.get("Error", {}).get("Code", "")), str(said)
    if code in _EXPIRED:
        return error(
            "the credentials have expired", text, remedy="get new ones, as by aws sso login"
        )
    if code in _UNKNOWN:
        return error(
            "the credentials are not known to AWS",
            text,
            remedy="check AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if code in _DENIED:
        return error(
            "the credentials do not allow to look",
            text,
            expected="leave for sts:GetCallerIdentity and cloudformation:DescribeStacks",
        )
    if not code or code.isdigit():  # botocore found an HTTP status, and no error of AWS's
        return _foreign(said, endpoint_url, error)
    return error("AWS refuses", text)


def _foreign(said: object, endpoint_url: str, error: Callable[..., TargetError]) -> TargetError:
    return error(
        "what answers is not AWS",
        said,
        expected=f"AWS, or an emulator, at {endpoint_url}",
        remedy="check AWS_ENDPOINT_URL",
    )
