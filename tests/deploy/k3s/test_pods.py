import threading

import pytest
from fake_api import FakeCluster, Refusal
from fake_release import Make

from deploy.cluster import Cluster
from deploy.pods import PodTimes, PodWatch
from deploy.rollout import Patience, roll_out
from deploy.undo import remove
from variants._errors import OptbuildError

LONG_S = 30.0  # for what happens in a moment


def quiet(_: str) -> None:
    pass


def all_gone(pods: tuple[PodTimes, ...]) -> bool:
    return bool(pods) and all(pod.gone_s is not None for pod in pods)


def test_a_pod_is_created_ready_terminating_and_gone_in_that_order(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    with PodWatch(cluster, "classifier") as watch:
        roll_out(cluster, make(), quiet, patience)
        remove(cluster, "classifier")
        assert watch.wait_for(all_gone, LONG_S)
    (pod,) = watch.pods()
    assert pod.ready_s is not None and pod.terminating_s is not None and pod.gone_s is not None
    assert pod.created_s <= pod.ready_s <= pod.terminating_s <= pod.gone_s
    events = [event.what for event in watch.events()]
    assert events == ["created", "ready", "terminating", "gone"]


def test_the_times_are_those_of_the_clock_that_was_given(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    ticks = iter(range(1000))
    with PodWatch(cluster, "classifier", lambda: float(next(ticks))) as watch:
        roll_out(cluster, make(), quiet, patience)
        remove(cluster, "classifier")
        assert watch.wait_for(all_gone, LONG_S)
    times = [event.at_s for event in watch.events()]
    assert times == sorted(times)
    assert max(times) < 1000


def test_the_pods_of_two_releases_can_be_told_apart(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    with PodWatch(cluster, "classifier") as watch:
        roll_out(cluster, make("onnx"), quiet, patience)
        roll_out(cluster, make("baseline"), quiet, patience)
        assert watch.wait_for(lambda pods: len(pods) == 2 and pods[0].gone_s is not None, LONG_S)
    old, new = watch.pods()
    assert old.variant == make("onnx").variant.digest[:16]
    assert new.variant == make("baseline").variant.digest[:16]
    assert new.ready_s is not None and old.terminating_s is not None
    assert new.ready_s <= old.terminating_s  # never fewer than there were


def test_pods_that_are_there_at_the_beginning_are_seen(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make("onnx+replicas=2"), quiet, patience)
    with PodWatch(cluster, "classifier") as watch:
        assert [pod.ready_s is not None for pod in watch.pods()] == [True, True]


def test_restarts_are_counted(cluster: Cluster, patience: Patience, make: Make) -> None:
    with PodWatch(cluster, "classifier") as watch:
        with pytest.raises(OptbuildError):
            roll_out(cluster, make(image="crash:1"), quiet, patience, keep_failed=True)
        assert watch.wait_for(lambda pods: pods[0].restarts >= 2, LONG_S)
    assert "restarted" in [event.what for event in watch.events()]


def test_nothing_is_missed_while_the_watch_is_interrupted(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    fake.watch_s = 0.05  # the API ends each watch after that
    with PodWatch(cluster, "classifier") as watch:
        roll_out(cluster, make("onnx+replicas=2"), quiet, patience)
        assert watch.wait_for(lambda pods: sum(bool(pod.ready_s) for pod in pods) == 2, LONG_S)
        fake.too_old = True
        remove(cluster, "classifier")
        fake.refuse["GET", "pods"] = [Refusal(503, "busy")] * 2
        assert watch.wait_for(all_gone, LONG_S)
    assert len(watch.pods()) == 2
    assert [event.what for event in watch.events()].count("gone") == 2


def test_leaving_does_not_wait_for_the_next_change(cluster: Cluster) -> None:
    with PodWatch(cluster, "classifier"):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "pods"]
