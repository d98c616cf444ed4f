"""SAM resources turned into CloudFormation's by AWS's own translator."""

from __future__ import annotations

import copy
import logging
from typing import Any

from ..errors import TemplateError
from .document import Document

TRANSFORM = "AWS::Serverless-2016-10-31"


def uses_sam(body: dict[str, Any]) -> bool:
    transform = body.get("Transform")
    entries = transform if isinstance(transform, list) else [transform]
    return TRANSFORM in entries or any(
        isinstance(entry, dict) and entry.get("Name") == TRANSFORM for entry in entries
    )


def translate(body: dict[str, Any], document: Document, region: str) -> dict[str, Any]:
    """The template without SAM resources. Raises `TemplateError` with the logical id and reason.

    A nested application is not fetched: it becomes a nested stack, which plays no part here.
    """
    from samtranslator.model.exceptions import ExceptionWithMessage, InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    body = copy.deepcopy(body)
    for resource in body["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Application":
            resource["Type"] = "AWS::CloudFormation::Stack"
            resource["Properties"] = {"TemplateURL": "https://storagefirst.invalid/nested"}
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    try:
        translated: dict[str, Any] = Translator(
            {}, Parser(), boto_session=_Region(region)
        ).translate(body, {}, get_managed_policy_map=dict)
    except InvalidDocumentException as error:
        causes = list(error.causes) or [error]
        first = causes[0]
        logical_id = getattr(first, "_logical_id", None)
        raise TemplateError(
            "; ".join(_message(cause) for cause in causes),
            where=document.where(logical_id) if logical_id else str(document.path),
        ) from None
    except ExceptionWithMessage as error:
        raise TemplateError(_message(error), where=str(document.path)) from None
    except Exception as error:  # the translator trips over shapes that it doesn't expect
        raise TemplateError(
            "SAM's translator can't read the template",
            where=str(document.path),
            found=f"{type(error).__name__}: {error}",
            remedy="check it with `sam validate`",
        ) from error
    return translated


def _message(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)


class _Region:
    """All that the translator asks of a boto3 session."""

    def __init__(self, region_name: str) -> None:
        self.region_name = region_name
