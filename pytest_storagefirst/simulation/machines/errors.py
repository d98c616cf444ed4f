"""What Step Functions calls the failure of a task: the name that `Retry` and `Catch` look for.

Rules from the Step Functions developer guide: concepts-error-handling, bp-lambda-serviceexception,
supported-services-awssdk. An error that a service's API model knows goes by its own name, any other
answer by the service's general one, and no answer at all is the SDK's SdkClientException.
"""

from __future__ import annotations

import json
from typing import Any

# By integration: the prefix of its errors, and the SDK's exception for answers that have no other.
_OPTIMIZED = {
    "dynamodb": ("DynamoDB", "AmazonDynamoDBException"),
    "events": ("EventBridge", "AmazonEventBridgeException"),
    "lambda": ("Lambda", "AWSLambdaException"),
    "sns": ("SNS", "AmazonSNSException"),
    "sqs": ("SQS", "AmazonSQSException"),
    "states": ("StepFunctions", "AWSStepFunctionsException"),
}
# The Java SDK's spelling of services whose names are not just capitalised.
_SDK_NAMES = {
    "cloudwatchlogs": "CloudWatchLogs",
    "dynamodb": "DynamoDb",
    "eventbridge": "EventBridge",
    "secretsmanager": "SecretsManager",
}
# Of environments that ended under an invocation: no code of the function's named an error.
_ENDED = frozenset({"Sandbox.Timedout", "Runtime.ExitError"})


def name_of(resource: Any, error: Exception) -> tuple[str, str] | None:
    """Error and cause of a failed call; None for what is no matter of the call."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        return _answered(resource, error), str(error)
    if isinstance(error, BotoCoreError):
        prefix, _ = _names(resource)
        # Only its kind: the text is another in other versions of botocore.
        return f"{prefix}.SdkClientException", type(error).__name__
    if type(error).__name__ == "LambdaFunctionErrorException":
        return _ended(str(getattr(error, "payload", "")))
    return None


def is_ours(error: Exception) -> bool:
    """A call that came to nothing for want of something on this machine: AWS would have made it."""
    from botocore.exceptions import EndpointProviderError, MissingDependencyException

    # An endpoint is not found for what plays no part here, and so has an invented ARN.
    return isinstance(error, EndpointProviderError | MissingDependencyException)


def _names(resource: Any) -> tuple[str, str]:
    service = str(getattr(resource, "service_name", "lambda"))
    if service in _OPTIMIZED:
        return _OPTIMIZED[service]
    api = str(getattr(resource, "api_name", service)).lower()
    prefix = _SDK_NAMES.get(api) or api[:1].upper() + api[1:]
    return prefix, f"{prefix}Exception"


def _answered(resource: Any, error: Any) -> str:
    prefix, general = _names(resource)
    code = str(error.response.get("Error", {}).get("Code", ""))
    # botocore makes a class of its own for each error that the service's model knows.
    if type(error).__name__ == "ClientError":
        return f"{prefix}.{general}"
    name = code.rpartition(".")[2] if "." in code else code
    return f"{prefix}.{name if name.endswith('Exception') else f'{name}Exception'}"


def _ended(payload: str) -> tuple[str, str] | None:
    try:
        said = json.loads(payload)
    except ValueError:
        return None
    if isinstance(said, dict) and said.get("errorType") in _ENDED:
        return "Lambda.Unknown", str(said.get("errorMessage", ""))
    return None
