"""What else differs between two sides than what a comparison is about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from analysis import words
from analysis.facts import RunFacts
from analysis.sides import Sides
from variants._errors import OptbuildError

Kind = Literal["variant", "model", "software", "hardware"]


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same on both sides; more values where a side mixes them."""

    kind: Kind
    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} / {self.new}"


# None where a run of before that was recorded does not say.
Look = Callable[[RunFacts], str | None]


def differences(sides: Sides) -> tuple[Difference, ...]:
    """Variant, model, software and hardware, as far as the run directories tell."""
    looks: list[tuple[Kind, str, Look]] = [
        ("variant", "variant", lambda facts: facts.spec),
        ("model", "model", lambda facts: f"{facts.model} {facts.model_digest[:12]}"),
        ("software", "kernel", lambda facts: facts.machine.kernel),
        ("software", "Python", lambda facts: facts.machine.python),
        ("software", "priority of the generator", lambda facts: facts.machine.priority),
        ("hardware", "host", lambda facts: facts.machine.host),
        ("hardware", "CPU", lambda facts: facts.machine.cpu_model),
        ("hardware", "CPU flags", lambda facts: " ".join(facts.machine.isa) or "none"),
        ("hardware", "cores", lambda facts: str(facts.machine.cores)),
        # Virtual machines of one size differ in a few pages.
        ("hardware", "memory", lambda facts: f"{facts.machine.memory_bytes / 2**30:.0f} GiB"),
    ]
    both = (*sides.old.runs, *sides.new.runs)
    names = sorted({name for one in both for name, _ in one.facts.machine.libraries})
    looks += [("software", name, _version(name)) for name in names]
    unlike = ((kind, name, _unlike(sides, look)) for kind, name, look in looks)
    return tuple(Difference(kind, name, *values) for kind, name, values in unlike if values)


def require_same_load(sides: Sides, metric: str) -> None:
    """Raise OptbuildError that names the difference unless both sides were loaded alike."""
    looks: list[tuple[str, Look]] = [
        ("rate", lambda facts: f"{facts.rate:g}/s"),
        ("CV of the gaps", lambda facts: f"{facts.cv:g}"),
        ("duration", lambda facts: f"{facts.duration_s:g} s"),
        ("timeout", lambda facts: f"{facts.timeout_s:g} s"),
        ("sha256 of the texts", lambda facts: facts.texts_sha256 and facts.texts_sha256[:12]),
        ("target", lambda facts: facts.target),
    ]
    if metric == "goodput":
        looks.append(("limit of the goodput", lambda facts: words.duration(facts.slo_limit_s)))
    for name, look in looks:
        if values := _unlike(sides, look):
            raise OptbuildError(
                f"the two sides were not loaded alike ({name} {values[0]} / {values[1]}): measure "
                "them again with the same options, --rate in requests/s rather than auto"
            )


def days_apart(sides: Sides) -> float | None:
    """Days between the first runs of the two sides; None if one does not say when it was."""
    try:
        old, new = (
            min(datetime.fromisoformat(one.facts.started_at) for one in side.runs)
            for side in (sides.old, sides.new)
        )
        return abs((new - old).total_seconds()) / 86_400
    except (TypeError, ValueError):  # no date, or one with and one without a time zone
        return None


def _version(library: str) -> Look:
    return lambda facts: dict(facts.machine.libraries).get(library, "none")


def _unlike(sides: Sides, look: Look) -> tuple[str, str] | None:
    """What the two sides show if that is not the same; None if it is, or not known of all runs."""
    old, new = ({look(one.facts) for one in side.runs} for side in (sides.old, sides.new))
    known = [sorted(value for value in side if value is not None) for side in (old, new)]
    if None in old | new or old == new:
        return None
    return " and ".join(known[0]), " and ".join(known[1])
