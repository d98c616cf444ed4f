"""The sets of a run and their algebra: K = (K∩P) ⊎ S ⊎ lost, always.

After Jepsen's total-queue checker, extended by what is still held and by what effects say.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """Something found that should not be there, or not like this. `what` is one plain clause."""

    what: str
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """Where every message of one run is, as sets of message ids.

    `partial` left some of their effect but not all. `by_acknowledgement` leave no effect when
    alone, so that their deletion after a success is all that can be judged. `copies` says how often
    a message's effect stands, where that is not once, and `doubled_in` where it is more than it may
    ("in Orders", "at http POST https://…"). `doubts` are the reasons why this run shows
    nothing (DESIGN: `unknown`). `remark` says what of the effects was not compared. `steps` is how
    many calls took effect for a message alone.
    """

    attempted: frozenset[str] = _NONE
    acknowledged: frozenset[str] = _NONE
    rejected: frozenset[str] = _NONE
    indeterminate: frozenset[str] = _NONE
    processed: frozenset[str] = _NONE
    stranded: frozenset[str] = _NONE
    lost: frozenset[str] = _NONE
    recovered: frozenset[str] = _NONE
    phantom: frozenset[str] = _NONE
    duplicated: frozenset[str] = _NONE
    redelivered: frozenset[str] = _NONE
    redriven: frozenset[str] = _NONE
    partial: frozenset[str] = _NONE
    by_acknowledgement: frozenset[str] = _NONE
    unexpected: tuple[Finding, ...] = ()
    corrupted: tuple[Finding, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    doubled_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    remark: str = ""

    @property
    def clean(self) -> bool:
        """All attempted, all acknowledged, all processed once, nothing else anywhere, no doubts."""
        return (
            self.processed == self.acknowledged == self.attempted
            and not self.doubts
            and not self.duplicated
            and not self.unexpected
            and not self.corrupted
            and not self.by_acknowledgement
        )

    def check(self) -> Account:
        """Hold the algebra; returns itself. Raises AssertionError naming the law that is broken."""
        k, p = self.acknowledged, self.processed
        laws = {
            "K, R and I are within A": k | self.rejected | self.indeterminate == self.attempted,
            "K, R and I are disjoint": _disjoint(k, self.rejected, self.indeterminate),
            "P is within A": p <= self.attempted,
            "K = (K∩P) ⊎ S ⊎ lost": k == (k & p) | self.stranded | self.lost
            and _disjoint(k & p, self.stranded, self.lost),
            "recovered = I ∩ P": self.recovered == self.indeterminate & p,
            "phantom = R ∩ P": self.phantom == self.rejected & p,
            "redriven is within P": self.redriven <= p,
            "what is partial is not processed": _disjoint(self.partial, p),
            "duplicated is within A": self.duplicated <= self.attempted,
        }
        for law, holds in laws.items():
            if not holds:
                shown = str(self)[:2000]
                raise AssertionError(f"the account is wrong: {law} does not hold in {shown}")
        return self


def _disjoint(*sets: Set[str]) -> bool:
    return len(frozenset().union(*sets)) == sum(map(len, sets))


def balance(
    *,
    attempted: Set[str],
    acknowledged: Set[str],
    rejected: Set[str],
    effective: Set[str],
    held: Set[str],
    duplicated: Set[str] = _NONE,
    redelivered: Set[str] = _NONE,
    redriven: Set[str] = _NONE,
    partial: Set[str] = _NONE,
    by_acknowledgement: Set[str] = _NONE,
    unexpected: tuple[Finding, ...] = (),
    corrupted: tuple[Finding, ...] = (),
    copies: Mapping[str, int] | None = None,
    doubled_in: Mapping[str, tuple[str, ...]] | None = None,
    steps: Mapping[str, int] | None = None,
    doubts: tuple[str, ...] = (),
    remark: str = "",
) -> Account:
    """Work out the sets from what was seen.

    `effective` are the messages whose whole effect stands at the final read, `held` those that
    storage still holds recoverably, `redriven` those that were moved back from a DLQ. A message
    that was answered yes once is acknowledged, whatever its other tries were told.
    """
    a = frozenset(attempted) | acknowledged | rejected
    k = frozenset(acknowledged)
    r = frozenset(rejected) - k
    i = a - k - r
    p = a & effective
    s = (k - p) & held
    return Account(
        attempted=a,
        acknowledged=k,
        rejected=r,
        indeterminate=i,
        processed=p,
        stranded=s,
        lost=k - p - s,
        recovered=i & p,
        phantom=r & p,
        duplicated=a & duplicated,
        redelivered=a & redelivered,
        redriven=p & redriven,
        partial=(a & partial) - p,
        by_acknowledgement=a & by_acknowledgement,
        unexpected=unexpected,
        corrupted=corrupted,
        copies=dict(copies or {}),
        doubled_in=dict(doubled_in or {}),
        steps=dict(steps or {}),
        doubts=doubts,
        remark=remark,
    ).check()
