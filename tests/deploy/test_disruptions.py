"""What each disruption does to a target, in which order, and that it is always undone."""

from typing import Any

import numpy as np
import pytest

from builder.injection import Injection
from deploy.disruptable import NotSettled
from deploy.disruptions._disruption import Experiment, disruptions, parse, require_target
from deploy.fleet import Fleet
from deploy.local_fleet import LocalFleet
from variants._errors import OptbuildError

EXPERIMENTS = sorted(disruptions())


class Diary:
    """A target that only writes down what is done to it."""

    wanted = 2

    def __init__(self) -> None:
        self.lines: list[str] = []

    def replicas(self) -> tuple[str, ...]:
        return ("r1", "r2")

    def __getattr__(self, name: str) -> Any:
        def act(*arguments: object) -> None:
            self.lines.append(" ".join([name, *map(str, arguments)]))

        return act


def injection(text: str, target: Diary, wait: Any = lambda seconds: None) -> Injection:
    return Injection(parse(text), target, 0.0, np.random.default_rng(1), wait=wait)


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("pod-kill", ["delete r1 None"]),
        ("pod-kill:grace=30", ["delete r1 30.0"]),
        ("pod-kill:grace=0", ["delete r1 0.0"]),
        ("container-kill", ["kill r1"]),
        ("rolling-update", ["roll"]),
        ("scale-down-up", ["scale 1", "scale 2", "scale_back"]),
        ("cpu-stress", ["stress r1", "unstress"]),
        ("memory-limit", ["exhaust_memory r1", "restore_memory"]),
        ("network-partition:for=1.5s", ["cut r1", "mend"]),
        ("node-drain", ["drain r1", *["drain_on"] * 4, "uncordon"]),
        ("delay:ms=50", ["slow r1 0.05", "unslow"]),
    ],
)
def test_what_it_does(text: str, done: list[str]) -> None:
    target = Diary()
    one = injection(text, target)
    one.inject()
    assert target.lines == done
    assert one.events[0].what == "injected"
    assert one.events[-1].what == "ended"
    times = [event.at_s for event in one.events]
    assert times == sorted(times)


def test_every_disruption_is_in_the_table_above() -> None:
    assert len(EXPERIMENTS) == 9


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, OptbuildError])
@pytest.mark.parametrize(
    ("text", "undone"),
    [
        ("scale-down-up", "scale_back"),
        ("cpu-stress", "unstress"),
        ("network-partition", "mend"),
        ("delay", "unslow"),
        ("node-drain", "uncordon"),
    ],
)
def test_it_is_undone_however_it_ends(text: str, undone: str, ending: type[BaseException]) -> None:
    def wait(seconds: float) -> None:
        raise ending("in the middle")

    target = Diary()
    one = injection(text, target, wait)
    with pytest.raises(ending):
        one.inject()
    assert target.lines[-1] == undone
    assert [event.what for event in one.events] == ["injected"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, OptbuildError])
def test_memory_is_given_back_when_the_exhaustion_fails(ending: type[BaseException]) -> None:
    class Failing(Diary):
        def exhaust_memory(self, replica: str) -> None:
            raise ending("in the middle")

    target = Failing()
    with pytest.raises(ending):
        injection("memory-limit", target).inject()
    assert target.lines == ["restore_memory"]


def test_a_target_that_does_not_get_over_it_is_a_result() -> None:
    class Stuck(Diary):
        def roll(self) -> None:
            raise NotSettled("the replicas were not rolled within 180 s")

    one = injection("rolling-update", Stuck())
    one.inject()
    assert [event.what for event in one.events] == ["injected", "failed"]
    assert "not rolled" in one.events[-1].detail


def test_the_same_seed_finds_the_same_victim() -> None:
    victims = set()
    for _ in range(5):
        target = Diary()
        injection("container-kill", target).inject()
        victims.update(target.lines)
    assert len(victims) == 1


def test_without_a_ready_replica_nothing_can_be_done_to_one() -> None:
    target = Diary()
    target.replicas = tuple  # type: ignore[method-assign]  # an instance that has lost them all
    with pytest.raises(OptbuildError, match="no replica is ready"):
        injection("pod-kill", target).inject()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_local_processes_can_do_what_is_promised_and_nothing_else_is_offered(name: str) -> None:
    disruption = disruptions()[name]
    offered = all(hasattr(LocalFleet, method) for method in methods(disruption.needs))
    assert offered == ("local" in disruption.targets)


def methods(protocol: Any) -> set[str]:
    """The protocol's own methods, without those of every target."""
    return {name for name in vars(protocol) if name[0] != "_" and callable(vars(protocol)[name])}


def test_the_methods_of_a_protocol_are_found() -> None:
    assert methods(disruptions()["pod-kill"].needs) == {"delete"}
    assert hasattr(Fleet, "delete")


@pytest.mark.parametrize(
    ("text", "spec", "goal"),
    [
        ("pod-kill", "pod-kill", "none lost"),
        ("pod_kill:grace=30", "pod-kill:grace=30", "none lost"),
        ("pod-kill:grace=0", "pod-kill:grace=0", "only those in flight"),
        ("cpu-stress:for=2.5s", "cpu-stress:for=2.5", "no goal"),
        ("rolling-update", "rolling-update", "none lost"),
    ],
)
def test_names(text: str, spec: str, goal: str) -> None:
    experiment = parse(text)
    assert (experiment.spec, experiment.goal) == (spec, goal)
    assert parse(experiment.spec) == experiment


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pod-kil", "known are container-kill, cpu-stress"),
        ("", "unknown experiment ''"),
        ("pod-kill:for=1", "no parameter 'for': known are grace"),
        ("delay:ms=200s", "takes milliseconds such as 200"),
        ("rolling-update:x=1", "known are none"),
        ("pod-kill:grace=-1", "takes seconds"),
        ("pod-kill:grace=nan", "takes seconds"),
        ("pod-kill:grace", "takes seconds"),
        ("pod-kill:grace=1e9", "takes seconds"),
    ],
)
def test_what_is_no_name(text: str, said: str) -> None:
    with pytest.raises(OptbuildError, match=said):
        parse(text)


def test_a_target_that_cannot_names_those_that_can() -> None:
    with pytest.raises(OptbuildError, match="'memory-limit' cannot be done to 'local': choose"):
        require_target(Experiment("memory-limit", {}), "local")
