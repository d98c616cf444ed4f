"""How one message is put into a target, found from its entries."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.explore.entries import ways_in
from pytest_storagefirst.explore.first_guess import first_guess
from pytest_storagefirst.load.plan import UNIQUE, Way
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.simulation.schedule import as_text
from pytest_storagefirst.stack.template import Template
from pytest_storagefirst.target.target import Target

JSON = {"Content-Type": "application/json"}


def way_into(target: Target, profile: Profile) -> Way:
    """The first entry of the target's settings, or else of its stack.

    Raises EntryError for a stack without one, LoadError for one that can't be sent to here, or
    whose messages would not carry their id.
    """
    settings = target.settings
    plain = tuple(replace(entry, strategy=None) for entry in settings.entries)
    # What is deployed has no template at hand: errors name the stack instead.
    place = Template(Path(f"{target.name} ({target.stack_name})"), {})
    entry = ways_in(target.topology(), replace(settings, entries=plain), place)[0]
    if entry.route is None:
        raise LoadError(
            f"load goes through an API's route, and {entry.name} is a {entry.kind}",
            where=f"{target.name} ({target.stack_name})",
            expected='[[entry]] route = "POST /…" in storagefirst.toml',
        )
    body = as_text(first_guess(entry) if entry.body is None else entry.body)
    if UNIQUE not in body:
        raise LoadError(
            f"messages of {entry.name} could not be told apart",
            where=plain[0].where if plain else "",
            found=f"body = {body[:80]}",
            expected=f"a field that holds {json.dumps(UNIQUE)}, each message's own id",
        )
    name = plain[0].name if plain else entry.route.name
    method = name.partition(" ")[0]
    return Way(
        name=name,
        url=target.url_of(entry.route.name),
        method="POST" if method == "ANY" else method,
        body=body,
        poison_body=profile.poison_body,
        headers=JSON | dict(entry.headers),
    )
