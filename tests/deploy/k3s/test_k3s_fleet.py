"""Disruptions of a release, against the fake cluster."""

import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from fake_api import FakeCluster, Refusal
from fake_release import Make

from builder.injection import Injection
from deploy.cluster import Cluster
from deploy.disruptions._disruption import disruptions, parse
from deploy.inside import UNBURN, burning
from deploy.k3s_fleet import K3sFleet
from deploy.pod_exec import run
from deploy.rollout import Patience
from variants._errors import OptbuildError


@pytest.fixture
def fleet(cluster: Cluster, patience: Patience, make: Make) -> K3sFleet:
    return K3sFleet(cluster, make("onnx+replicas=2"), patience=patience)


def disturb(fleet: K3sFleet, text: str) -> Injection:
    one = Injection(
        parse(text), fleet, 0.0, np.random.default_rng(1), wait=lambda seconds: time.sleep(0.05)
    )
    one.inject()
    return one


def told(fleet: K3sFleet, replica: str) -> list[str]:
    return [event.what for event in fleet.timeline() if event.replica == replica]


def test_a_deleted_pod_is_replaced(fleet: K3sFleet) -> None:
    with fleet:
        before = fleet.replicas()
        one = disturb(fleet, "pod-kill:grace=0.5")  # the API takes whole seconds
        victim = one.events[0].replica
        assert victim in before
        assert told(fleet, victim) == ["created", "ready", "terminating", "gone"]
        fleet.settle()
        assert len(fleet.replicas()) == fleet.wanted == 2
        assert one.events[0].at_s <= fleet.timeline()[-1].at_s <= time.monotonic()


def test_without_grace_the_kill_stands_in_the_timeline_before_the_death(fleet: K3sFleet) -> None:
    with fleet:
        victim = disturb(fleet, "pod-kill:grace=0").events[0].replica
        assert told(fleet, victim)[-3:] == ["killed", "terminating", "gone"]


@pytest.mark.parametrize(
    ("asked_s", "sent_s", "least_s"), [(None, None, 47), (0.5, 1, 1), (0, 1, 1)]
)
def test_a_pod_keeps_its_own_grace_unless_another_is_asked_for(
    fleet: K3sFleet,
    monkeypatch: pytest.MonkeyPatch,
    asked_s: float | None,
    sent_s: int | None,
    least_s: float,
) -> None:
    sent: list[int | None] = []
    waited_s: list[float] = []
    monkeypatch.setattr(fleet, "delete_pod", lambda name, grace_s: sent.append(grace_s))
    monkeypatch.setattr(fleet.watch, "wait_for", lambda met, s: waited_s.append(s) or True)
    fleet.delete("pod-1", asked_s)
    assert sent == [sent_s]
    assert waited_s[0] > least_s
    assert [event.what for event in fleet.timeline()] == (["killed"] if asked_s == 0 else [])


def test_a_rolling_update_replaces_every_pod(fleet: K3sFleet) -> None:
    with fleet:
        before = set(fleet.replicas())
        disturb(fleet, "rolling-update")
        after = set(fleet.replicas())
        assert len(after) == 2
        assert not before & after


def test_pods_that_do_not_come_up_are_a_result(
    fake: FakeCluster, fleet: K3sFleet, patience: Patience
) -> None:
    with fleet:
        fake.nature.load_s = 600
        fleet.patience = replace(patience, timeout_s=0.5)
        one = disturb(fleet, "rolling-update")
        assert one.events[-1].what == "failed"
        fake.nature.load_s = 0.05
    assert fake.names() == set()


def test_scaling_down_and_up(fleet: K3sFleet) -> None:
    with fleet:
        disturb(fleet, "scale-down-up")
        assert len(fleet.replicas()) == 2
        assert [event.what for event in fleet.timeline()].count("terminating") == 1


def test_a_drained_node_is_closed_emptied_and_opened(fake: FakeCluster, fleet: K3sFleet) -> None:
    with fleet:
        before = set(fleet.replicas())
        disturb(fleet, "node-drain")
        assert fake.closed_nodes == [True, False]
        fleet.settle()
        assert not before & set(fleet.replicas())
    assert fake.names() == set()


def test_what_the_disruption_budget_keeps_stays(fake: FakeCluster, fleet: K3sFleet) -> None:
    with fleet:
        before = set(fleet.replicas())
        kept = "Cannot evict pod as it would violate the pod's disruption budget."
        fake.refuse["POST", "pods"] = [Refusal(429, kept)] * 99
        disturb(fleet, "node-drain")
        assert set(fleet.replicas()) == before


def test_what_the_disruption_budget_keeps_at_first_goes_later(
    fake: FakeCluster, fleet: K3sFleet
) -> None:
    with fleet:
        before = set(fleet.replicas())
        fake.refuse["POST", "pods"] = [Refusal(429, "would violate the disruption budget")] * 3
        disturb(fleet, "node-drain:for=5")
        fleet.settle()
        assert not before & set(fleet.replicas())


def test_a_node_that_was_closed_before_stays_closed(fake: FakeCluster, fleet: K3sFleet) -> None:
    with fleet:
        fake.node_closed = True
        disturb(fleet, "node-drain")
    assert fake.node_closed
    assert fake.closed_nodes == []


def test_a_kubernetes_that_knows_only_older_evictions(fake: FakeCluster, fleet: K3sFleet) -> None:
    fake.evictions = {"policy/v1beta1"}
    with fleet:
        before = set(fleet.replicas())
        disturb(fleet, "node-drain:for=1")
        fleet.settle()
        assert not before & set(fleet.replicas())


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_a_node_is_opened_again_however_it_ends(
    fake: FakeCluster, fleet: K3sFleet, ending: type[BaseException]
) -> None:
    def wait(seconds: float) -> None:
        raise ending

    one = Injection(parse("node-drain"), fleet, 0.0, np.random.default_rng(1), wait=wait)
    with pytest.raises(ending), fleet:
        one.inject()
    assert fake.closed_nodes == [True, False]
    assert fake.names() == set()


@pytest.mark.parametrize(
    ("spec", "loops"), [("onnx+limits:cpu=1500m", "seq 2"), ("onnx", "seq $(nproc)")]
)
def test_busy_loops_are_started_in_a_pod_and_ended(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make, spec: str, loops: str
) -> None:
    with K3sFleet(cluster, make(spec), patience=patience) as fleet:
        victim = disturb(fleet, "cpu-stress").events[0].replica
    (began, started), (ended, stopped) = fake.scripts
    assert (began, ended) == (victim, victim)
    assert loops in started
    assert "kill -9" in stopped


def test_the_scripts_themselves_in_a_shell_of_this_machine(tmp_path: Path) -> None:
    def run_here(script: str) -> None:
        here = script.replace("/tmp/", f"{tmp_path}/")
        subprocess.run(["/bin/sh", "-c", here], check=True, timeout=30, stdout=subprocess.PIPE)

    run_here(burning("2"))
    deadline_s = time.monotonic() + 30
    while len(texts := [path.read_text() for path in tmp_path.iterdir()]) < 2 or "" in texts:
        assert time.monotonic() < deadline_s
    loops = [psutil.Process(int(text)) for text in texts]
    assert len(set(loops)) == 2
    run_here(UNBURN)
    while [one for one in loops if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline_s
    assert list(tmp_path.iterdir()) == []


def test_a_pod_that_runs_out_of_memory_is_started_again(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    with K3sFleet(cluster, make("onnx+limits:memory=512Mi"), patience=patience) as fleet:
        victim = disturb(fleet, "memory-limit").events[0].replica
        assert told(fleet, victim)[-2:] == ["killed", "restarted"]


def test_a_server_that_is_killed_from_inside_is_started_again(
    fake: FakeCluster, fleet: K3sFleet
) -> None:
    with fleet:
        victim = disturb(fleet, "container-kill").events[0].replica
        assert [name for name, _ in fake.scripts] == [victim]
        deadline_s = time.monotonic() + 30
        while told(fleet, victim)[-2:] != ["killed", "restarted"]:
            assert time.monotonic() < deadline_s, told(fleet, victim)
            time.sleep(0.05)


def test_without_a_limit_no_memory_is_filled(fake: FakeCluster, fleet: K3sFleet) -> None:
    with fleet, pytest.raises(OptbuildError, match="add the layer limits:memory"):
        disturb(fleet, "memory-limit")
    assert fake.scripts == []


def test_a_script_that_fails_or_is_forbidden_is_a_line(
    fake: FakeCluster, cluster: Cluster, fleet: K3sFleet
) -> None:
    with fleet:
        (first, *_) = fleet.replicas()
        assert not run(cluster, "gone", "true")
        fake.script_fails = True
        with pytest.raises(OptbuildError, match=r"exit code 127 \| sh: nproc: not found"):
            run(cluster, first, "true")
        fake.refuse["GET", "pods"] = [Refusal(403, "forbidden")] * 9
        with pytest.raises(OptbuildError, match=r"no permission to exec in Pod .*README"):
            run(cluster, first, "true")
        fake.refuse.clear()


@pytest.mark.parametrize("name", sorted(disruptions()))
def test_a_cluster_can_do_what_is_promised_and_nothing_else_is_offered(name: str) -> None:
    protocol: Any = disruptions()[name].needs
    methods = {key for key in vars(protocol) if key[0] != "_" and callable(vars(protocol)[key])}
    offered = all(hasattr(K3sFleet, method) for method in methods)
    assert offered == ("k3s" in disruptions()[name].targets)
