"""Which IAM actions on which resources an API call needs, as data.

From the Service Authorization Reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
A call that is not in here needs nothing that is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Parameters = Mapping[str, Any]


class Place(NamedTuple):
    """Where a call goes.

    `names` are those that the stack's resources go by, `keys` the ARNs of its KMS keys by any name.
    """

    region: str
    account: str
    names: Mapping[str, str]
    keys: Mapping[str, str]

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"


Need = tuple[str, str | None]  # action, ARN of the resource; None where it can't be told

# Of services whose actions are called like their operations. These are called otherwise:
_ACTIONS: Mapping[str, Mapping[str, str]] = {
    "sqs": {
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        "DeleteMessageBatch": "DeleteMessage",
        "SendMessageBatch": "SendMessage",
    },
    "sns": {"PublishBatch": "Publish"},
    "lambda": {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"},
    "s3": {
        "CompleteMultipartUpload": "PutObject",
        "CreateMultipartUpload": "PutObject",
        "DeleteObjects": "DeleteObject",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "UploadPart": "PutObject",
    },
}
# Of these services, these operations alone.
_ONLY: Mapping[str, frozenset[str]] = {
    "appconfigdata": frozenset({"StartConfigurationSession", "GetLatestConfiguration"}),
    "events": frozenset({"PutEvents"}),
    "firehose": frozenset({"PutRecord", "PutRecordBatch"}),
    "kinesis": frozenset(
        {"DescribeStream", "GetRecords", "GetShardIterator", "ListShards", "PutRecord"}
        | {"PutRecords"}
    ),
    "kms": frozenset(
        {"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"}
        | {"GenerateMac", "Sign", "Verify", "VerifyMac"}
    ),
    "lambda": frozenset({"Invoke", "InvokeAsync"}),
    "s3": frozenset({"DeleteObject", "GetObject", "PutObject", *_ACTIONS["s3"]}),
    "secretsmanager": frozenset({"GetSecretValue", "PutSecretValue"}),
    "ses": frozenset({"SendEmail", "SendRawEmail", "SendTemplatedEmail"}),
    "sesv2": frozenset({"SendEmail"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "sqs": frozenset(
        {"ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl"}
        | {"PurgeQueue", "ReceiveMessage", "SendMessage", *_ACTIONS["sqs"]}
    ),
    "ssm": frozenset({"GetParameter", "GetParameters", "GetParametersByPath", "PutParameter"}),
    "stepfunctions": frozenset({"SendTaskFailure", "SendTaskSuccess", "StartExecution"})
    | {"StartSyncExecution", "DescribeExecution", "StopExecution"},
}
_PREFIXES = {"appconfigdata": "appconfig", "sesv2": "ses", "stepfunctions": "states"}
_SERVICES = {"states": "stepfunctions"}  # as gateways call them


def needs(service: str, operation: str, parameters: Parameters, place: Place) -> tuple[Need, ...]:
    """The actions that a call needs, each with its resource; none for a call that isn't known.

    `service` is boto3's name or the one in an integration's URI, `parameters` as boto3 takes them.
    """
    service = _SERVICES.get(service, service)
    if service == "dynamodb":
        found = _dynamodb(operation, parameters, place)
    elif service == "s3" and operation == "CopyObject":
        found = _copy_object(parameters)
    elif operation in _ONLY.get(service, ()):
        name = _ACTIONS.get(service, {}).get(operation, operation)
        action = f"{_PREFIXES.get(service, service)}:{name}"
        resources = _RESOURCES.get(service, _untold)(parameters, place)
        found = ((action, resource) for resource in resources)
    else:
        return ()
    return tuple(dict.fromkeys((action, _known(arn, place)) for action, arn in found))


def owner_of(arn: str) -> str:
    """The ARN of the resource that an index, an object or a version belongs to."""
    if arn.startswith("arn:aws:s3:::"):
        return arn.partition("/")[0]
    if ":table/" in arn:
        return "/".join(arn.split("/")[:2])
    return ":".join(arn.split(":")[:7]) if ":function:" in arn else arn


def _known(arn: str | None, place: Place) -> str | None:
    """An ARN of the stack's; of any other, nobody here knows what it stands for."""
    if arn is None or arn.endswith(":event-bus/default"):
        return arn
    return arn if owner_of(arn) in place.names else None


# --- DynamoDB ---------------------------------------------------------------------------------

_TRANSACTED = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_OF_ONE_TABLE = frozenset(
    {"DeleteItem", "DescribeTable", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"}
)
_PARTIQL = {
    "DELETE": "PartiQLDelete",
    "INSERT": "PartiQLInsert",
    "SELECT": "PartiQLSelect",
    "UPDATE": "PartiQLUpdate",
}
_PARTIQL_TABLE = re.compile(r'(?:from|into|update)\s+"?([\w.-]+)"?(?:\."?([\w.-]+)"?)?', re.I)


def _dynamodb(operation: str, parameters: Parameters, place: Place) -> Iterator[Need]:
    if operation in _OF_ONE_TABLE:
        arn = _table(parameters.get("TableName"), place, parameters.get("IndexName"))
        yield f"dynamodb:{operation}", arn
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for name in parameters.get("RequestItems") or {}:
            yield f"dynamodb:{operation}", _table(name, place)
    elif operation in ("TransactGetItems", "TransactWriteItems"):
        for item in parameters.get("TransactItems") or ():
            for kind, said in item.items():
                if kind in _TRANSACTED:
                    yield f"dynamodb:{_TRANSACTED[kind]}", _table(said.get("TableName"), place)
    elif operation == "ExecuteStatement":
        yield from _partiql(parameters, place)
    elif operation in ("BatchExecuteStatement", "ExecuteTransaction"):
        for one in parameters.get("Statements") or parameters.get("TransactStatements") or ():
            yield from _partiql(one, place)


def _partiql(parameters: Parameters, place: Place) -> Iterator[Need]:
    text = str(parameters.get("Statement") or "").strip()
    action = _PARTIQL.get(text.partition(" ")[0].upper())
    table = _PARTIQL_TABLE.search(text)
    if action and table:
        yield f"dynamodb:{action}", _table(table[1], place, table[2])


def _table(name: Any, place: Place, index: Any = None) -> str | None:
    if not isinstance(name, str):
        return None
    arn = name if name.startswith("arn:") else place.arn("dynamodb", f"table/{name}")
    return f"{arn}/index/{index}" if index else arn


# --- what other calls are about ---------------------------------------------------------------


def _untold(parameters: Parameters, place: Place) -> Iterable[str | None]:
    return (None,)


def _queue(parameters: Parameters, place: Place) -> Iterable[str | None]:
    named = parameters.get("QueueUrl") or parameters.get("QueueName")
    return (place.arn("sqs", named.rpartition("/")[2]) if isinstance(named, str) else None,)


def _topic(parameters: Parameters, place: Place) -> Iterable[str | None]:
    return (parameters.get("TopicArn") or parameters.get("TargetArn"),)


def _object(parameters: Parameters, place: Place) -> Iterable[str | None]:
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    if not isinstance(bucket, str) or bucket.startswith("arn:"):
        return (None,)
    deleted = (parameters.get("Delete") or {}).get("Objects")
    keys = [one.get("Key") for one in deleted] if deleted else [key]
    return [f"arn:aws:s3:::{bucket}/{one}" if one else f"arn:aws:s3:::{bucket}" for one in keys]


def _copy_object(parameters: Parameters) -> Iterator[Need]:
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    yield "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"
    source = parameters.get("CopySource")
    if isinstance(source, dict):
        source = f"{source.get('Bucket')}/{source.get('Key')}"
    if isinstance(source, str) and not source.startswith("arn:"):
        yield "s3:GetObject", f"arn:aws:s3:::{source.lstrip('/').partition('?')[0]}"


def _function(parameters: Parameters, place: Place) -> Iterable[str | None]:
    name = str(parameters.get("FunctionName") or "")
    if not name.startswith("arn:"):
        name = place.arn("lambda", f"function:{name.rpartition('function:')[2]}")
    qualifier = parameters.get("Qualifier")
    return (f"{name}:{qualifier}" if qualifier else name,)


def _buses(parameters: Parameters, place: Place) -> Iterable[str | None]:
    for entry in parameters.get("Entries") or ():
        bus = str(entry.get("EventBusName") or "default")
        yield bus if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}")


def _stream(parameters: Parameters, place: Place) -> Iterable[str | None]:
    arn, name = parameters.get("StreamARN"), parameters.get("StreamName")
    return (arn or (place.arn("kinesis", f"stream/{name}") if name else None),)


def _machine(parameters: Parameters, place: Place) -> Iterable[str | None]:
    return (parameters.get("stateMachineArn"),)


def _secret(parameters: Parameters, place: Place) -> Iterable[str | None]:
    name = str(parameters.get("SecretId") or "")
    own = (arn for arn in place.names if f":secret:{name}-" in arn)
    return (name if name.startswith("arn:") else next(own, None),)


def _key(parameters: Parameters, place: Place) -> Iterable[str | None]:
    return (place.keys.get(str(parameters.get("KeyId"))),)


def _configuration(parameters: Parameters, place: Place) -> Iterable[str | None]:
    return (parameters.get("configuration"),)


_RESOURCES: Mapping[str, Callable[[Parameters, Place], Iterable[str | None]]] = {
    "appconfigdata": _configuration,
    "events": _buses,
    "kinesis": _stream,
    "kms": _key,
    "lambda": _function,
    "s3": _object,
    "secretsmanager": _secret,
    "sns": _topic,
    "sqs": _queue,
    "stepfunctions": _machine,
}
