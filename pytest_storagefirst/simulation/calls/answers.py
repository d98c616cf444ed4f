"""What AWS answers to a raw request: what the simulation does itself, and moto for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_storagefirst.simulation.calls import lanes
from pytest_storagefirst.simulation.calls.refusals import not_answered
from pytest_storagefirst.simulation.configurations import answer_configurations
from pytest_storagefirst.simulation.invoke_api import answer_invoke, is_invoke
from pytest_storagefirst.simulation.machines.states_api import answer_states
from pytest_storagefirst.simulation.mappings_api import answer_mappings

if TYPE_CHECKING:
    from pytest_storagefirst.simulation.run import Simulation

Answer = tuple[int, dict[str, str], bytes]


def answer(simulation: Simulation, method: str, url: str, headers: Any, body: Any) -> Answer:
    """Status, headers and body. Raises NotAnswered, having refused the run, for what nobody can."""
    if simulation.current is not None and is_invoke(method, url):
        return answer_invoke(simulation, url, headers, body)
    own = (
        answer_states(simulation, headers, body)
        or answer_mappings(simulation, method, url, body)
        or answer_configurations(simulation, method, url, body)
    )
    if own is not None:
        return own
    simulation.moto_random.enter()
    try:
        return lanes.answer(method, url, headers, body)
    except lanes.NotAnswered as error:
        place = simulation.current.function.logical_id if simulation.current else ""
        simulation.record("noted", (), place, "a call that no one answers")
        simulation.refuse(not_answered(simulation.deployed.topology, place, str(error)))
        raise error from None
