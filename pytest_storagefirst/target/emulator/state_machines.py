"""State machines that call Lambda's own API: ministack knows some of its operations, boto3 all."""

from __future__ import annotations

import json
from typing import Any

from pytest_storagefirst.target.emulator.calls import Answer, client_of


def bridge() -> None:
    """Have tasks of `aws-sdk:lambda` that ministack lacks sent as boto3 would."""
    from ministack.services import stepfunctions

    plain = stepfunctions._dispatch_aws_sdk_lambda_rest

    def dispatch(service: Any, name: str, action: str, given: dict[str, Any] | None) -> Any:
        try:
            return plain(service, name, action, given)
        except stepfunctions._ExecutionError as error:
            if "not yet implemented" not in f"{error} {vars(error)}":
                raise
        return _sent(stepfunctions, name, action, given or {})

    stepfunctions._dispatch_aws_sdk_lambda_rest = dispatch


def _sent(stepfunctions: Any, name: str, action: str, given: dict[str, Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError
    from ministack import app
    from ministack.core.responses import get_account_id, get_region

    handler = app.SERVICE_HANDLERS["lambda"]
    said: list[Answer] = []

    def answers(*request: Any) -> Answer:
        said.append(app.call_service_handler_sync(handler, *request))
        return said[-1]

    client = client_of("lambda", get_account_id(), get_region(), answers)
    operation = action[:1].upper() + action[1:]
    shape = client.meta.service_model.operation_model(operation).input_shape
    parameters = stepfunctions._sdk_json_param_value(given, shape)
    method = {api: name for name, api in client.meta.method_to_api_mapping.items()}[operation]
    try:
        getattr(client, method)(**parameters)
    except ClientError as error:
        told = error.response.get("Error", {})
        code = stepfunctions._prefix_sdk_error(name, told.get("Code", "ServiceException"))
        raise stepfunctions._ExecutionError(code, told.get("Message", "")) from None
    except BotoCoreError as error:
        raise stepfunctions._ExecutionError("States.Runtime", str(error)) from None
    return stepfunctions._convert_keys_to_sfn_convention(json.loads(said[-1][2] or b"{}"))
