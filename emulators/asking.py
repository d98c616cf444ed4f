"""Put probes to a world, and write down what each observed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from emulators import of_functions, of_queues, of_services  # noqa: F401 - they register probes
from emulators.probe import PROBES, Lacks, Probe, World

Makes = Callable[[], contextlib.AbstractContextManager[World]]


def observed(makes: Makes, probes: Iterable[Probe] = PROBES) -> dict[str, str]:
    """By probe, what was observed in a world of its own; "lacks …" where nothing answers."""
    return {probe.name: _asked(makes, probe) for probe in probes}


def _asked(makes: Makes, probe: Probe) -> str:
    from botocore.exceptions import ClientError

    try:
        with makes() as world:
            if world.in_real_time and probe.minutes:
                return f"not asked: needs {probe.minutes} minute{'s' * (probe.minutes > 1)}"
            return probe.ask(world)
    except Lacks as error:
        return f"lacks {error}"
    except ClientError as error:
        return f"lacks it ({error.operation_name}: {error.response['Error']['Code']})"
    except NotImplementedError as error:
        return f"lacks it ({str(error) or 'not implemented'})"
