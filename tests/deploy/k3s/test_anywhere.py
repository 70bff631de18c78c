"""The paths that have to work on a real cluster: on the fake always, on a real one if named."""

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import real_cluster
from fake_api import FakeCluster

from deploy.cluster import Cluster
from deploy.k3s import K3sTarget
from deploy.k3s_fleet import K3sFleet
from deploy.manifests.release import Release, selector
from deploy.pods import PodTimes
from deploy.rollout import Patience
from deploy.undo import KINDS
from variants._spec import compose

LONG_S = 120.0
CLIENTS = 4


@dataclass(frozen=True)
class Place:
    """A cluster and an image that it can run."""

    cluster: Cluster
    image: str
    patience: Patience

    def release(self, spec: str) -> Release:
        return Release("classifier", self.image, compose(spec))

    def target(self, spec: str) -> K3sTarget:
        return K3sTarget(self.cluster, self.release(spec), patience=self.patience)


@pytest.fixture(params=["fake", pytest.param("real", marks=[pytest.mark.k3s, pytest.mark.slow])])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "fake":
        request.getfixturevalue("fake")
        cluster, patience = (request.getfixturevalue(name) for name in ("cluster", "patience"))
        yield Place(cluster, "sentiment:1", patience)
    else:
        with real_cluster.namespace() as cluster:
            yield Place(cluster, real_cluster.image(cluster), Patience())


@contextmanager
def load(url: str) -> Iterator[Callable[[], list[int]]]:
    """Clients that ask one thing after the other; what each answer's status was, 0 for none."""
    over, statuses = threading.Event(), []

    def ask() -> None:
        body = json.dumps({"texts": ["a slow and rather long film"]}).encode()
        headers = {"Content-Type": "application/json"}
        while not over.is_set():
            try:
                request = urllib.request.Request(f"{url}/predict", body, headers)
                with urllib.request.urlopen(request, timeout=60) as answer:
                    statuses.append(answer.status)
            except OSError as error:
                statuses.append(getattr(error, "code", 0))

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield lambda: statuses
    finally:
        over.set()
        for client in clients:
            client.join()


def test_deploy_answer_and_leave_nothing(place: Place) -> None:
    with place.target("onnx+replicas=2") as target, load(target.url) as statuses:
        assert target.watch.wait_for(lambda pods: len(pods) == 2, LONG_S)
        again = target.rollout(place.release("onnx+replicas=2"))
        assert {change.what for change in again} == {"unchanged"}
    assert statuses()
    assert set(statuses()) == {200}
    for kind in (*KINDS, "Pod"):
        assert place.cluster.select(kind, selector("classifier")) == []


def test_a_rolling_update_loses_no_request(place: Place) -> None:
    with place.target("onnx+replicas=2") as target, load(target.url) as statuses:
        target.rollout(place.release("onnx+replicas=2+limits:cpu=500m,memory=512Mi"))
        old = [pod for pod in target.pods() if pod.terminating_s is not None]
        assert len(old) == 2
    assert set(statuses()) == {200}


def test_scaling_down_and_up_loses_no_request(place: Place) -> None:
    with place.target("onnx+replicas=2") as target, load(target.url) as statuses:
        target.scale(1)
        target.scale(2)
    assert set(statuses()) == {200}


def test_a_pod_that_is_told_to_go_loses_no_request(place: Place) -> None:
    with place.target("onnx+replicas=2") as target, load(target.url) as statuses:
        name = target.pods()[0].name
        target.delete_pod(name)
        assert target.watch.wait_for(lambda pods: pods[0].gone_s is not None, LONG_S)
        target.settle()
    assert set(statuses()) == {200}


def test_a_server_that_is_killed_is_started_again(place: Place) -> None:
    with K3sFleet(place.cluster, place.release("onnx"), patience=place.patience) as fleet:
        (victim,) = fleet.replicas()
        fleet.kill(victim)

        def restarted(pods: tuple[PodTimes, ...]) -> bool:
            return any(pod.name == victim and pod.restarts > 0 for pod in pods)

        assert fleet.watch.wait_for(restarted, LONG_S)
        fleet.settle()
        assert fleet.replicas() == (victim,)


def test_the_fake_loses_what_a_killed_pod_was_doing(
    fake: FakeCluster, cluster: Cluster, patience: Patience
) -> None:
    """Else the tests above could not fail."""
    place = Place(cluster, "sentiment:1", patience)
    with place.target("onnx+replicas=2") as target, load(target.url) as statuses:
        for _ in range(10):
            target.delete_pod(target.pods()[-1].name, grace_s=0)
            target.settle()
            if 0 in statuses():
                break
    assert 0 in statuses()
