"""Changes to texts and to the data in them. The same random numbers make the same change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Path = tuple[str | int, ...]

DEEP: Any = "deep"
for _ in range(60):
    DEEP = [DEEP]

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 17, 1.5, 1e308, 10**30, -(2**63), float("nan"), float("inf")),
    *(
        "",
        " ",
        "a\nb",
        "\x00",
        "\ud800",
        "\u202e",
        "\U0001f600",
        "{unique}",
        "${x}",
        "${",
        "{{",
        "/",
        "..",
    ),
    *("x" * 10_000, "arn:aws:sqs:us-east-1:123456789012:Q", "arn:::::", "1 h", "NaN", "[", "$.a"),
    *([], {}, [[]], [{}], {"": ""}, [None], {"Ref": "AWS::NoValue"}, {"Ref": "Nobody"}, DEEP),
    *({"Fn::GetAtt": ["Nobody", "Arn"]}, {"Fn::Sub": "${Nobody.Arn}"}, {"Fn::If": ["No", 1, 2]}),
    *({"Fn::Join": ["", 5]}, {"Fn::Select": [9, []]}, {"Fn::Transform": {"Name": "No"}}),
    *({"Fn::ImportValue": []}, {"Fn::FindInMap": ["a", "b", "c"]}, {"Ref": ["a"]}, {"Fn::No": 1}),
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value in data, the whole excepted."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for name, inner in list(pairs):
        yield (*path, name)
        yield from places(inner, (*path, name))


def holder_of(value: Any, path: Path) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


# --- data ----------------------------------------------------------------------------------------


def _drop(value: Any, path: Path, random: Random) -> None:
    del holder_of(value, path)[path[-1]]


def _strange(value: Any, path: Path, random: Random) -> None:
    holder_of(value, path)[path[-1]] = copy.deepcopy(random.choice(STRANGE))


def _rename(value: Any, path: Path, random: Random) -> None:
    holder = holder_of(value, path)
    if isinstance(holder, dict):
        name = str(path[-1])
        others = (f"{name}x", name[:-1], name.swapcase(), "", "Type", "\U0001f600")
        holder[random.choice(others)] = holder.pop(path[-1])


def _exchange(value: Any, path: Path, random: Random) -> None:
    """It changes places with another: a reference with another's target, a type with another's."""
    other = random.choice(list(places(value)))
    here, there = holder_of(value, path), holder_of(value, other)
    taken = copy.deepcopy(there[other[-1]])
    there[other[-1]] = copy.deepcopy(here[path[-1]])
    _put(value, path, taken)


def _retarget(value: Any, path: Path, random: Random) -> None:
    """All references to one name are to another, perhaps to the one that refers."""
    resources = value.get("Resources") if isinstance(value, dict) else None
    names = [name for name in resources or () if isinstance(name, str)]
    if len(names) < 2:
        return
    old, new = random.sample(names, 2)
    changed = json.loads(
        json.dumps(value)
        .replace(f'"{old}"]', f'"{new}"]')
        .replace(f'"Ref": "{old}"', f'"Ref": "{new}"')
        .replace(f'["{old}",', f'["{new}",')
        .replace(f"${{{old}", f"${{{new}")
    )
    value.clear()
    value.update(changed)


def _again(value: Any, path: Path, random: Random) -> None:
    """It stands there twice, under another name."""
    holder = holder_of(value, path)
    twin = copy.deepcopy(holder[path[-1]])
    if isinstance(holder, list):
        holder.extend([twin] * random.choice((1, 3, 300)))
    else:
        holder[f"{path[-1]}Again"] = twin


def _wrapped(value: Any, path: Path, random: Random) -> None:
    holder = holder_of(value, path)
    inner = holder[path[-1]]
    holder[path[-1]] = random.choice(([inner], {"Value": inner}, {"Ref": inner}, str(inner)))


def _put(value: Any, path: Path, new: Any) -> None:
    try:
        holder = holder_of(value, path)
        if isinstance(holder, list) or isinstance(path[-1], str):
            holder[path[-1]] = new
    except (IndexError, KeyError, TypeError):
        return  # what held it was exchanged itself


_OF_DATA: tuple[Callable[[Any, Path, Random], None], ...] = (
    *(_drop, _strange, _strange, _strange, _rename, _exchange, _retarget, _again, _wrapped),
)


def changed_data(value: Any, random: Random) -> Any:
    """A copy with one change, or a few."""
    changed = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        found = list(places(changed))
        if not found:
            break
        random.choice(_OF_DATA)(changed, random.choice(found), random)
    return changed


# --- text ----------------------------------------------------------------------------------------

BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)


def _lines(text: str, random: Random) -> str:
    """A line goes, comes twice, moves, or is indented otherwise."""
    lines = text.split("\n")
    at = random.randrange(len(lines))
    how = random.randrange(5)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(at, lines[at])
    elif how == 2:
        lines[at] = lines[at][1:] if random.random() < 0.5 else f"  {lines[at]}"
    elif how == 3:
        lines.insert(random.randrange(len(lines)), lines.pop(at))
    else:
        lines[at] = f"\t{lines[at]}"
    return "\n".join(lines)


def _cut(text: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    return random.choice((text[:at], text[at:], text[:at] + text[at + 7 :]))


_INSERTED = (
    *("\x00", "\ufeff", "\u2028", "\ud800", '"', "'", "{", "}", "[", "]", ":", "- ", "&x *x", "*x"),
    *("!Sub ", "!Nothing ", "!!python/object:os.system ", "!!binary ", "<<: *x\n", "---\n"),
    *("# ", "%YAML 9\n", "=", '"""', "\\u12", "[[", "é", "? ", "|", ">", "@", "`", "\r"),
)


def _inserted(text: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    more = random.choice(_INSERTED)
    return text[:at] + more + text[at:]


def _swapped(text: str, random: Random) -> str:
    """One character is another."""
    if not text:
        return text
    at = random.randrange(len(text))
    return text[:at] + chr(random.choice((0, 9, 34, 58, 123, 160, 0x7F, 0x1F600))) + text[at + 1 :]


_WHOLE = (
    *(
        "",
        " ",
        "\n",
        "null",
        "[]",
        "{}",
        "17",
        "''",
        "Resources:",
        "Resources: {}",
        '{"Resources": 1}',
    ),
    *("Resources:\n  A: &a\n    Type: *a\n", "x: &x [*x]", BOMB, f"Resources:\n  {BOMB}"),
    *(
        "[" * 3000,
        "{a: " * 3000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "- " * 3000,
        "a.b." * 2000 + "=1",
    ),
)


def changed_text(text: str, random: Random) -> bytes:
    """The text with one change or a few, as bytes that need not be UTF-8."""
    how = random.random()
    if how < 0.06:
        return random.choice(_WHOLE).encode()
    if how < 0.1:
        raw = bytearray(text.encode())
        raw.insert(random.randrange(len(raw) + 1), random.choice((0xFF, 0xC0, 0x80)))
        return bytes(raw)
    if how < 0.13:
        return text.encode(random.choice(("utf-16", "utf-32", "utf-8-sig")))
    for _ in range(random.choice((1, 1, 2, 5))):
        text = random.choice((_lines, _lines, _cut, _inserted, _inserted, _swapped))(text, random)
    return text.encode("utf-8", "surrogatepass")
