"""boto3's clients whose calls are answered in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Mapping[str, str], bytes | str]
# method, path, headers, body, query
Request = tuple[str, str, dict[str, str], bytes, dict[str, list[str]]]


def client_of(service: str, account: str, region: str, answers: Callable[..., Answer]) -> Any:
    """A client for whose requests `answers` is called, with the five parts of a `Request`."""
    import boto3
    from botocore.awsrequest import AWSResponse

    client = boto3.client(
        service,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="local",
        endpoint_url="http://127.0.0.1",
    )

    def answer(request: Any, **_: Any) -> AWSResponse:
        status, told, content = answers(*_parts(request))
        return AWSResponse(request.url, status, dict(told), _Body(content))

    client.meta.events.register("before-send", answer)
    return client


def _parts(request: Any) -> Request:
    url = urlsplit(request.url)
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else value
        for key, value in request.headers.items()
    }
    return request.method, unquote(url.path), headers, body, parse_qs(url.query)


class _Body:
    def __init__(self, content: bytes | str) -> None:
        self._content = content.encode() if isinstance(content, str) else content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content
