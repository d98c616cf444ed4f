"""The registry of properties: each a named judgement of one run's account and history."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pytest_storagefirst.errors import SettingsError
from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.effects import Observation
from pytest_storagefirst.ledger.verdict import NOT_APPLICABLE, OK, UNKNOWN, VIOLATED, Verdict

_NAME = re.compile(r"[a-z]+(-[a-z]+)*(:[a-z0-9-]+)?")


@dataclass(frozen=True)
class Facts:
    """What a property needs to know of a stack to say whether it applies; no topology in here."""

    consumed: bool = True  # some function takes messages from storage
    ordered: bool = False  # there are FIFO groups, shards or partition keys
    redrivable: bool = False  # some queue has a dead-letter queue
    breaks: bool = False  # a circuit breaker's state is kept somewhere
    capped: bool = False  # there is a cap on invocations at once or on calls downstream


@dataclass(frozen=True)
class Context:
    """What was asked of a run, beyond what its observation shows.

    `bad` are the messages that the handler refuses for good when they are alone. They came through
    `bad_queue`, whose redrive policy allows `max_receive_count` receives (None: no DLQ). `groups`
    are the FIFO groups: ids in the order in which they were accepted. `keys` are the same of each
    key in a stream, `lanes` of each shard, where a message waits for those before it. `amiss` are
    good ones whose handlers fail when they are alone, too: some stacks go that way on purpose.
    """

    bad: frozenset[str] = frozenset()
    bad_queue: str = ""
    max_receive_count: int | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
    lanes: tuple[tuple[str, ...], ...] = ()
    amiss: frozenset[str] = frozenset()


Judge = Callable[[Account, Observation, Context], Verdict]
Applies = Callable[[Facts], str]


@dataclass(frozen=True)
class Property:
    """`judge` looks at one run; `applies` returns "" or why a stack can't have this property."""

    name: str
    applies: Applies
    judge: Judge
    docstring: str
    if_clean: Callable[[Account], Verdict] | None = field(default=None, compare=False)


_REGISTRY: dict[str, Property] = {}


def register(entry: Property) -> Property:
    """Add a property.

    Raises SettingsError, naming what would be right, when the name is taken or is no lower-case
    name, when `judge` does not take (account, observation, context) or `applies` (facts), or when
    nothing says what the property is for.
    """
    name = entry.name if isinstance(entry, Property) else repr(entry)

    def refuse(problem: str, found: str, expected: str) -> SettingsError:
        return SettingsError(
            problem,
            where=f"property {name}",
            found=found,
            expected=expected,
            remedy=f"see those that are registered: {', '.join(_REGISTRY)}",
        )

    if not isinstance(entry, Property):
        raise refuse(
            "this is no property", type(entry).__name__, "Property(name, applies, judge, …)"
        )
    if not _NAME.fullmatch(entry.name):
        raise refuse("not a property's name", entry.name, "lower-case words joined by hyphens")
    if entry.name in _REGISTRY:
        raise refuse("the name is taken", entry.name, f"none of: {', '.join(_REGISTRY)}")
    for role, function, parameters in (
        ("judge", entry.judge, ("account", "observation", "context")),
        ("applies", entry.applies, ("facts",)),
    ):
        found = tuple(inspect.signature(function).parameters) if callable(function) else None
        if found is None or len(found) != len(parameters):
            shown = "nothing to call" if found is None else f"{role}({', '.join(found)})"
            raise refuse(f"wrong {role}", shown, f"{role}({', '.join(parameters)})")
    if not entry.docstring.strip():
        raise refuse("nothing says what it is for", "an empty docstring", "one sentence")
    _REGISTRY[entry.name] = entry
    return entry


def registered() -> Mapping[str, Property]:
    """All properties by name, in the order in which reports list them."""
    from pytest_storagefirst.ledger import judgements  # noqa: F401  registers ours

    return dict(_REGISTRY)


def select(names: Iterable[str] = ()) -> tuple[Property, ...]:
    """The properties of these names; all when there are none.

    Raises SettingsError for a name that is not registered.
    """
    known = registered()
    chosen = tuple(names) or tuple(known)
    for name in chosen:
        if name not in known:
            raise SettingsError(
                "no such property",
                where="properties",
                found=name,
                expected=f"one of: {', '.join(known)}",
            )
    return tuple(known[name] for name in chosen)


def judge_all(
    account: Account, observation: Observation, context: Context, names: Iterable[str] = ()
) -> dict[str, Verdict]:
    """Every property's verdict on one run. A judgement that crashes is `unknown`, never ok.

    A run in which every message was processed once and nothing else is found anywhere needs no
    further look, unless it holds a bad message or an order.
    """
    is_clean = (
        account.clean
        and observation.quiet
        and not observation.held
        and observation.circuit is None
        and observation.load is None
        and not context.bad
        and not context.groups
        and not context.keys
    )
    verdicts = {}
    for entry in select(names):
        if is_clean and entry.if_clean is not None:
            verdicts[entry.name] = entry.if_clean(account)
        else:
            verdicts[entry.name] = _safely(entry, account, observation, context)
    denials = "; ".join(observation.told.denials)
    if denials:
        for name, verdict in verdicts.items():
            if verdict.value == VIOLATED:
                verdicts[name] = replace(verdict, why=f"{verdict.why} ({denials})")
    return verdicts


def _safely(
    entry: Property, account: Account, observation: Observation, context: Context
) -> Verdict:
    try:
        return entry.judge(account, observation, context)
    except Exception as error:
        return crashed(f"judging {entry.name}", error)


def crashed(doing: str, error: Exception) -> Verdict:
    """The verdict of a checker that raised: no evidence, with the error named."""
    return Verdict(UNKNOWN, f"{doing} crashed: {type(error).__name__}: {error}")


def unless_in_doubt(
    account: Account, why: str = "", notes: Mapping[str, str] | None = None
) -> Verdict:
    """Ok, unless the run shows nothing: then `unknown` with the reason."""
    if account.doubts:
        return Verdict(UNKNOWN, "; ".join(account.doubts))
    return Verdict(OK, why, notes=notes or {})


def not_applicable(why: str) -> Verdict:
    return Verdict(NOT_APPLICABLE, why)
