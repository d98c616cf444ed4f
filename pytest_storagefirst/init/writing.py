"""The texts of a storagefirst.toml and of a first test."""

from __future__ import annotations

import json
from pathlib import Path, PurePath

from pytest_storagefirst.cloud_assembly import project_folder
from pytest_storagefirst.explore.refused_bodies import toml
from pytest_storagefirst.init.proposing import Proposal, Way
from pytest_storagefirst.stack.breaker import Breaker

_HEAD = """\
# What pytest-storagefirst is told of {template}. `storagefirst init` wrote what it saw there: read
# it, and edit what only you can know. What stands behind a # is off.
"""


def settings_text(told: Proposal) -> str:
    """The text of storagefirst.toml. It says nothing that makes a verdict weaker than without it:
    what is only guessed and shows nothing, and what the stack refuses, is written as a comment."""
    parts = [_HEAD.format(template=_seen(told.template))]
    if told.parameters:
        lines = [
            f"{toml({name: text})[2:-2]}  # made up: edit" for name, text in told.parameters.items()
        ]
        parts.append("\n".join(["[parameters]  # those without a default", *lines]) + "\n")
    parts += [_entry(way) for way in told.ways]
    for method, url in told.calls:
        parts.append(
            "[[downstream]]  # a third party that a function calls; edit what it answers\n"
            f"url = {toml(url)}\nmethod = {toml(method)}\n"
            "reply = { status = 200, json = {} }\n"
            '# idempotency = "…"  # the field by which a repeated call counts once\n'
        )
    for name, why in told.stand_ins.items():
        parts.append(
            f"# {why}: name a Python function (event, context) that stands in for it\n"
            f"# [functions.{name}]\n"
            f'# handler = "tests.doubles:{name.lower()}"\n'
        )
    if told.breaker is not None:
        parts.append(_circuit(told.breaker))
    return "\n".join(parts)


def _entry(way: Way) -> str:
    """An entry that is off is a comment; one whose body is in doubt stands without it."""
    lines = ["[[entry]]", f"{way.kind} = {toml(way.name)}"]
    body = f"body = {toml(way.body)}"
    if way.body is None:
        lines.append('# body = { id = "{unique}" }  # {unique}: each message\'s own id')
    else:
        lines.append(f"# {body}" if way.doubt else body)
    if way.attributes:
        asked = f"# attributes = {toml(dict(way.attributes))}"
        lines.append(f"{asked}  # filter policies ask for them: are they sent?")
    if way.off:
        lines = [line if line.startswith("#") else f"# {line}" for line in lines]
    reasons = [way.origin and f"the body is {way.origin}", way.doubt, way.off]
    told = [f"# {line}" for text in reasons for line in text.splitlines()]
    return "\n".join([*told, *lines]) + "\n"


def _circuit(breaker: Breaker) -> str:
    lines = [
        "[circuit]  # where the breaker's state is kept; it was seen when its third party was out",
        f"{breaker.kind} = {toml(breaker.place)}",
    ]
    if breaker.key:
        lines.append(f"key = {toml(dict(breaker.key))}")
    if breaker.attribute:
        lines.append(f"state = {toml(breaker.attribute)}")
    words = {"closed": "closed", "open": "open", "half-open": "half_open"}
    lines += [
        f"{words[state]} = {toml(word)}" for state, word in breaker.words.items() if state in words
    ]
    if len(breaker.urls) == 1:
        lines.append(f"url = {toml(breaker.urls[0])}")
    return "\n".join(lines) + "\n"


_TEST = '''\
"""A message of {template} in Python: sent, played in virtual time, looked at.

`pytest -p storagefirst {template}` tries every single failure by itself; what stands here is for
what only you know: what a message should leave, and which failures you want to see by name.
"""

from __future__ import annotations

from pathlib import Path

TEMPLATE = {path}


def test_a_message_is_processed(storagefirst):
    with storagefirst(TEMPLATE) as stack:
        reply = stack.send({entry})  # the body of storagefirst.toml, or one of your own behind it
        stack.run()  # until nothing is left to do

        assert reply.status < 300
        stack.verify("no-message-loss")
'''
_BROKEN = '''

def test_an_answer_that_is_lost(storagefirst):
    """The call takes effect and its answer does not come back, so that it is made again."""
    with storagefirst(TEMPLATE) as stack:
        stack.inject("{site}: response-lost")
        stack.send({entry})
        stack.run()

        stack.verify("no-message-loss")
'''


def test_text(told: Proposal, folder: Path) -> str:
    """The text of a test in `folder`; "" where no entry has a body."""
    way = next((way for way in told.ways if way.body is not None), None)
    if way is None or told.stand_ins:
        return ""
    text = _TEST.format(
        template=_seen(told.template),
        path=_path_of(told.template, folder),
        entry=json.dumps(way.name, ensure_ascii=False),
    )
    if told.site:
        text += _BROKEN.format(site=told.site, entry=json.dumps(way.name, ensure_ascii=False))
    return text


def _seen(template: Path) -> str:
    """As its author sees it: "template.yaml", "cdk.out/Orders.template.json"."""
    return template.absolute().relative_to(project_folder(template)).as_posix()


def _path_of(template: Path, folder: Path) -> str:
    ups, name = 0, PurePath(template.name)
    here = folder.resolve()
    while not template.resolve().is_relative_to(here):
        here, ups = here.parent, ups + 1
    name = template.resolve().relative_to(here)
    return (
        "Path(__file__).resolve().parent"
        + ".parent" * ups
        + f" / {json.dumps(name.as_posix(), ensure_ascii=False)}"
    )
