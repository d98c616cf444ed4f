"""What a profile comes to at one target."""

from __future__ import annotations

from dataclasses import replace

from pytest_storagefirst.errors import LoadError
from pytest_storagefirst.load.objectives import parse_objective
from pytest_storagefirst.load.profiles import Profile
from pytest_storagefirst.target.target import Target

# How long a quiet stack is given for messages that are amiss to turn up. What a queue holds is
# counted; what is on its way otherwise is not, and Lambda tries again after one and two minutes.
SETTLE_S = 10.0
UNCOUNTED_SETTLE_S = 200.0
RATE = "downstream.rate.max1s"


def check_fits(profile: Profile, target: Target) -> None:
    """Raises LoadError for a profile that scripts third parties where they are real ones."""
    if any(one.kind == "downstream" for one in profile.actions) and not target.downstream_url:
        raise LoadError(
            f"the profile {profile.name} scripts the third party, and here it is a real one",
            where=target.name,
            expected="the local target, whose third parties are played",
            remedy="choose another profile: storagefirst load --list",
        )


def levelled(profile: Profile, target: Target) -> Profile:
    """With the cap that the third parties' settings say, kept to being an objective then."""
    said = [one.per_second for one in target.settings.downstreams]
    cap = profile.downstream_per_s
    if cap is None and said and all(said):
        cap = float(sum(said))
    texts = profile.objectives
    metrics = {parse_objective(text).metric for text in texts}
    if cap is not None and target.downstream_url and RATE not in metrics:
        texts = (*texts, f"{RATE}<=cap*1.05")
    return replace(profile, downstream_per_s=cap, objectives=texts)


def settle_s(profile: Profile, target: Target) -> float:
    """Long enough for whatever the stack's way leaves uncounted."""
    if profile.settle_seconds is not None:
        return profile.settle_seconds
    topology = target.topology()
    queues = {queue.arn for queue in topology.queues}
    counted = all(mapping.source_arn in queues for mapping in topology.mappings)
    others = topology.topics or topology.buses or topology.buckets or topology.state_machines
    return SETTLE_S if counted and not others else UNCOUNTED_SETTLE_S
