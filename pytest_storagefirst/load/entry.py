"""How one message is put into a target, found from its entries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.explore.entries import ways_in
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.load.plan import UNIQUE, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.settings import Entry as Given
from pytest_storagefirst.simulation.deployed import Entry
from pytest_storagefirst.simulation.producers import call_of
from pytest_storagefirst.simulation.schedule import as_text
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.target.target import Target

# API Gateway's, as in /orders/{id} and /files/{path+}.
_PATH_VARIABLE = re.compile(r"\{[^{}/]+\}")
JSON = {"Content-Type": "application/json"}


def way_into(target: Target, profile: Profile) -> Way:
    """The first of `ways_into`."""
    return next(ways_into(target, profile))


def ways_into(
    target: Target, profile: Profile, entries: tuple[Given, ...] | None = None
) -> Iterator[Way]:
    """`entries`, or else those of the target's settings, or else of its stack.

    Raises EntryError for a stack without one, LoadError for one that can't be sent to here, or
    whose messages would not carry their id.
    """
    settings = target.settings
    given = settings.entries if entries is None else entries
    plain = tuple(replace(entry, strategy=None) for entry in given)
    # What is deployed has no template at hand: errors name the stack instead.
    place = Template(Path(f"{target.name} ({target.stack_name})"), {})
    found = ways_in(target.topology(), replace(settings, entries=plain), place)
    for number, entry in enumerate(found):
        yield _way(target, entry, plain[number] if plain else None, profile)


def _way(target: Target, entry: Entry, given: Any, profile: Profile) -> Way:
    body = first_guess(entry) if entry.body is None else entry.body
    if UNIQUE not in as_text(body):
        raise LoadError(
            f"messages of {entry.name} could not be told apart",
            where=given.where if given else "",
            found=f"body = {as_text(body)[:80]}",
            expected=f"a field that holds {json.dumps(UNIQUE)}, each message's own id",
        )
    if entry.route is None:
        return _call(target, entry, body, profile)
    name = given.name if given else entry.route.name
    method = name.partition(" ")[0]
    return Way(
        name=name,
        url=_PATH_VARIABLE.sub(UNIQUE, target.url_of(entry.route.name)),
        method="POST" if method == "ANY" else method,
        body=as_text(body),
        poison_body=profile.poison_body,
        headers=JSON | dict(entry.headers),
    )


def _call(target: Target, entry: Entry, body: Any, profile: Profile) -> Way:
    """As a producer writes to a queue, topic, bucket, bus, stream or table."""
    try:
        service, operation, parameters = call_of(entry, UNIQUE, body)
    except KeyError:
        raise LoadError(
            f"load can't be put into {entry.name}, a {entry.kind}",
            where=f"{target.name} ({target.stack_name})",
            expected="a route, queue, topic, bucket, bus, stream or table as [[entry]]",
        ) from None
    credentials: dict[str, str] = {}
    if target.endpoint_url:  # the emulator's, which open nothing else
        own = target.session().boto3_session.get_credentials()
        credentials = {"aws_access_key_id": own.access_key, "aws_secret_access_key": own.secret_key}
    return Way(
        name=entry.name,
        url=target.endpoint_url or "",
        body=as_text(body),
        service=service,
        operation=operation,
        parameters=parameters,
        poison_parameters=call_of(entry, UNIQUE, profile.poison_body)[2],
        region=target.region,
        credentials=credentials,
    )
