"""Settings that earlier comparisons found: `--settings-of`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from builder import _peers_plan as plans
from builder._peers_plan import Plan
from builder._peers_script import Script, words
from builder._peers_tune import Tuned
from builder.machine import machine_words
from variants._errors import OptbuildError


def read_earlier(directories: Sequence[Path]) -> dict[Path, Plan]:
    """The comparisons whose settings are asked for; raises OptbuildError if one is of no use."""
    earlier = {}
    for directory in directories:
        before = plans.load(directory, remedy="leave --settings-of out")
        if before is None:
            raise OptbuildError(f"{directory} holds no comparison: leave --settings-of out")
        if before.machine != machine_words():
            raise OptbuildError(
                f"the settings in {directory} were found on another machine "
                f"({before.machine}): leave --settings-of out"
            )
        earlier[directory] = before
    return earlier


def taken_over(
    earlier: Mapping[Path, Plan], graph: str, scripts: Iterable[Script], conditions: Iterable[str]
) -> Tuned:
    """What they found of each peer whose file offers the same settings today; the last one counts.

    Those that have other versions by now, others to choose from, or that were not tried under all
    of `conditions`, are tuned anew. Raises OptbuildError if one was on another model.
    """
    known: Tuned = {}
    scripts, conditions = list(scripts), set(conditions)
    for directory, before in earlier.items():
        if before.graph_sha256 != graph:
            raise OptbuildError(
                f"the settings in {directory} were found on another model or another "
                "quantization: leave --settings-of out"
            )
        for script in scripts:
            best = before.settings.get(script.name)
            if best is None or before.requirements[script.name] != script.requirements:
                continue
            probes = before.probes[script.name]
            numbers = [found for found in probes.values() if not isinstance(found, str)]
            if (
                set(probes) == set(map(words, script.settings))
                and best.busy in script.settings
                and best.idle in script.settings
                and all(conditions <= set(found) for found in numbers)
            ):
                known[script.name] = best, probes
    return known
