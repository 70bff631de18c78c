"""What a disruption is, and how the user's name for one is read.

One file of this folder for each; the file's name, with `-` for `_`, is the user's name.
"""

import importlib
import math
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

import deploy.disruptions
from variants._errors import OptbuildError

TARGETS = ("local", "docker", "k3s")

# No request may be lost; only those in flight on the killed replica may; no goal is set.
Goal = Literal["none lost", "only those in flight", "no goal"]

Values = Mapping[str, float]
Tell = Callable[[str, str], None]  # what is done, and to which replica ("" for all)
Wait = Callable[[float], None]  # seconds


@dataclass(frozen=True)
class Scene:
    """What an injection works with."""

    values: Values
    rng: np.random.Generator
    tell: Tell
    wait: Wait

    def victim(self, target: Any) -> str:
        """A ready replica, drawn at random."""
        ready = target.replicas()
        if not ready:
            raise OptbuildError("no replica is ready when the fault is due", exit_code=1)
        return str(ready[int(self.rng.integers(len(ready)))])


@dataclass(frozen=True)
class Disruption:
    """One kind of trouble. Its module's name is the user's name for it.

    `inject` does it to a target that offers `needs` (a protocol of deploy/disruptable.py), and
    returns when it is over; each thing it does it tells first. `undo` takes back what of it can
    be taken back, is harmless when there is nothing to take back, and is always called.
    `targets` are those that offer `needs`. Parameters are seconds (`ms`: milliseconds), with their
    defaults; those of `optional` are missing from the values unless they are given.
    """

    summary: str
    needs: Any  # a runtime-checkable protocol
    inject: Callable[[Any, Scene], None]
    undo: Callable[[Any], None]
    targets: tuple[str, ...]
    goal: Callable[[Values], Goal]
    parameters: Values
    optional: tuple[str, ...] = ()
    help: str = ""  # of the parameters


def nothing(target: Any) -> None:
    """The undoing of what a target mends by itself."""


@cache
def disruptions() -> dict[str, Disruption]:
    """Every disruption by the name that the user types."""
    modules = [m.name for m in pkgutil.iter_modules(deploy.disruptions.__path__)]
    return {
        name.replace("_", "-"): importlib.import_module(f"deploy.disruptions.{name}").DISRUPTION
        for name in modules
        if name[0] != "_"
    }


@dataclass(frozen=True)
class Experiment:
    """A disruption with its values; `spec` as the user would spell it."""

    name: str
    values: Values

    @property
    def disruption(self) -> Disruption:
        """What it does."""
        return disruptions()[self.name]

    @property
    def spec(self) -> str:
        """The name, and each value that is not the default."""
        defaults = self.disruption.parameters
        given = [f"{key}={v:g}" for key, v in self.values.items() if v != defaults.get(key)]
        return self.name + (f":{','.join(given)}" if given else "")

    @property
    def goal(self) -> Goal:
        """What the product promises of it."""
        return self.disruption.goal(self.values)


def parse(text: str) -> Experiment:
    """`pod-kill` or `pod-kill:grace=0`; raises OptbuildError for what is none."""
    name, _, rest = text.partition(":")
    name = name.strip().replace("_", "-")
    if name not in disruptions():
        raise OptbuildError(f"unknown experiment '{name}': known are {', '.join(disruptions())}")
    values = dict(disruptions()[name].parameters)
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        names = (*disruptions()[name].parameters, *disruptions()[name].optional)
        if key not in names:
            known = ", ".join(names) or "none"
            raise OptbuildError(f"'{name}' has no parameter '{key}': known are {known}")
        if key == "ms" and not re.fullmatch(r"\d{1,5}", value, re.ASCII):
            raise OptbuildError(f"'ms' of '{name}' takes milliseconds such as 200: '{value}'")
        if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?s?", value, re.ASCII):
            raise OptbuildError(f"'{key}' of '{name}' takes seconds such as 5 or 0.5s: '{value}'")
        values[key] = float(value.removesuffix("s"))
    return Experiment(name, values)


def require_target(experiment: Experiment, target: str) -> None:
    """Raise OptbuildError, naming those that can, unless the target can do it."""
    able = experiment.disruption.targets
    if target not in able:
        others = " or ".join(f"--target {name}" for name in able)
        raise OptbuildError(f"'{experiment.name}' cannot be done to '{target}': choose {others}")


def longest_s(experiment: Experiment) -> float:
    """Seconds that its own waiting takes, as far as its values say."""
    return math.fsum(value for key, value in experiment.values.items() if key in ("for", "down"))
