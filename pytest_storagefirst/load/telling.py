"""What `storagefirst up` prints: where the target is, how to send to it, how to end it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.load.entry import ways_into
from pytest_storagefirst.load.plan import UNIQUE, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.target.local import Up
from pytest_storagefirst.target.target import Target

_EXAMPLE = "example-1"  # the id of the message that the user is shown
_PROFILE = Profile("up", "a message to begin with", (), ())
_COMMANDS = {"s3": "s3api"}  # of the AWS CLI, where it names a service otherwise than boto3 does


def lines(made: Up) -> Iterator[str]:
    """Raises StorageFirstError for an entry that messages can't be told apart at."""
    target = made.target
    if made.replaced:
        yield "the target that was up is ended: this one takes its place, and it begins empty"
    yield f"{target.stack_name} is deployed from {made.template}"
    for note in made.notes:
        yield f"  note:     {note}"
    yield f"  endpoint: {target.endpoint_url} (region {target.region}, account {target.account})"
    if target.settings.downstreams:
        yield f"  third parties, scripted: {target.downstream_url}"
    yield from _entries(target)
    yield f"  load:     storagefirst load smoke --target {target.name}"
    yield "  stop:     storagefirst down"


def _entries(target: Target) -> Iterator[str]:
    """Each way in, and a command that sends one message through it."""
    given = target.settings.entries
    plain = tuple(one for one in given if one.kind != "rule")
    if plain or not given:
        try:
            for way in ways_into(target, _PROFILE, plain):
                yield f"  entry:    {way.name}"
                yield f"  send:     {_called(target, way) if way.service else _posted(way)}"
        except EntryError:  # nothing is a way in: who only looks at a stack may bring it up, too
            pass
    for rule in given:
        if rule.kind == "rule":
            yield f"  entry:    {rule.name}"
            yield f"  send:     {_published(target, rule.name, rule.body)}"


def _posted(way: Way) -> str:
    headers = {name: text.replace(UNIQUE, _EXAMPLE) for name, text in way.headers.items()}
    told = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    body = shlex.quote(way.body.replace(UNIQUE, _EXAMPLE))
    url = shlex.quote(way.url.replace(UNIQUE, _EXAMPLE))
    return f"curl -X {way.method} {' '.join(told)} -d {body} {url}"


def _called(target: Target, way: Way) -> str:
    from botocore import xform_name

    arguments = [_COMMANDS.get(way.service, way.service), way.operation.replace("_", "-")]
    raw: list[str] = []
    for name, value in way.parameters_of(_EXAMPLE, "").items():
        arguments.append(f"--{xform_name(name, '-')}")
        if isinstance(value, bytes) and way.service == "s3":
            arguments.append("FILE")
            continue
        if isinstance(value, bytes):
            raw, value = ["--cli-binary-format", "raw-in-base64-out"], value.decode()
        arguments.append(value if isinstance(value, str) else json.dumps(value))
    return _aws(target, arguments + raw)


def _published(target: Target, name: str, body: Any) -> str:
    """To a topic that a rule of AWS IoT selects from."""
    rules = [one for one in target.topology().topic_rules if name in (one.logical_id, one.name)]
    sql = rules[0].sql if rules else ""
    topic = sql.partition("FROM")[2].strip().split(" ")[0].strip("'\"")
    topic = topic.replace("+", _EXAMPLE).replace("#", _EXAMPLE)
    given = {"id": UNIQUE} if body is None else body
    text = (given if isinstance(given, str) else json.dumps(given)).replace(UNIQUE, _EXAMPLE)
    return _aws(target, ["iot-data", "publish", "--topic", topic, "--payload", text])


def _aws(target: Target, arguments: list[str]) -> str:
    return (
        f"AWS_ACCESS_KEY_ID={target.account} AWS_SECRET_ACCESS_KEY=local "
        f"aws --endpoint-url {target.endpoint_url} --region {target.region} "
        + " ".join(map(shlex.quote, arguments))
    )
