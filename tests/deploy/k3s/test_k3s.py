import json
import socket
import subprocess
import sys
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeCluster
from fake_release import Make

from deploy.address import address, wait_until_reached
from deploy.cluster import Cluster
from deploy.fake import FakeTarget
from deploy.k3s import K3sTarget
from deploy.kubeconfig import connect
from deploy.manifests.release import Release
from deploy.rollout import Patience, roll_out
from deploy.target import Target
from variants._errors import OptbuildError

LONG_S = 30.0


def target(cluster: Cluster, release: Release, patience: Patience) -> K3sTarget:
    return K3sTarget(cluster, release, patience=patience)


def ask(url: str) -> int:
    body = json.dumps({"texts": ["a film"]}).encode()
    with urllib.request.urlopen(f"{url}/predict", body, timeout=30) as answer:
        status: int = answer.status
        return status


def test_it_answers_inside_the_context_and_nothing_is_left_of_it(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    one: Target = target(cluster, make("onnx+replicas=2"), patience)
    with one:
        assert ask(one.url) == 200
    assert fake.names() == set()


def test_an_error_inside_removes_it_too(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    with pytest.raises(KeyboardInterrupt), target(cluster, make(), patience):
        raise KeyboardInterrupt
    assert fake.names() == set()


def test_one_that_does_not_come_up_leaves_nothing(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    with pytest.raises(OptbuildError, match="ImagePullBackOff"):
        target(cluster, make(image="missing:1"), patience).__enter__()
    assert fake.names() == set()


def test_a_release_that_somebody_uses_is_not_touched(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(), lambda _: None, patience)
    removal = "optbuild undeploy 'onnx' --name classifier --namespace default"
    with pytest.raises(OptbuildError, match=f"remove it first .{removal}.*another --name"):
        target(cluster, make("baseline"), patience).__enter__()
    assert ask(address(cluster, "classifier")) == 200


def test_a_run_that_goes_on_is_not_touched(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    with target(cluster, make(), patience) as first:
        with pytest.raises(OptbuildError, match=f"wait for the run on {socket.gethostname()}"):
            target(cluster, make("baseline"), patience).__enter__()
        assert ask(first.url) == 200


def test_what_a_killed_run_left_is_removed_by_the_next(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    code = "from deploy.owner import owner; print(owner())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    left = replace(make("onnx+replicas=2"), owner=dead.stdout.strip())
    roll_out(cluster, left, lambda _: None, patience)
    with target(cluster, make("baseline"), patience) as one:
        assert ask(one.url) == 200
        assert len(fake.store.all("pods")) == 1
    assert fake.names() == set()


def test_scaling_up_and_down(cluster: Cluster, patience: Patience, make: Make) -> None:
    with target(cluster, make(), patience) as one:
        one.scale(3)
        assert len(one.pods()) == 3
        one.scale(1)
        leaving = [pod for pod in one.pods() if pod.terminating_s is not None]
        assert len(leaving) == 2


def test_a_deleted_pod_is_replaced(cluster: Cluster, patience: Patience, make: Make) -> None:
    with target(cluster, make("onnx+replicas=2"), patience) as one:
        name = one.pods()[0].name
        one.delete_pod(name)
        one.settle()
        assert one.watch.wait_for(lambda pods: pods[0].gone_s is not None, LONG_S)
        assert len(one.pods()) == 3
        with pytest.raises(OptbuildError, match=f"no pod '{name}'"):
            one.delete_pod(name)


def test_a_pod_killed_without_grace_is_gone_at_once(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    fake.nature.drain_s = 600
    with target(cluster, make("onnx+replicas=2"), patience) as one:
        one.delete_pod(one.pods()[0].name, grace_s=0)
        assert one.watch.wait_for(lambda pods: pods[0].gone_s is not None, LONG_S)
        one.settle()
        fake.nature.drain_s = 0


def test_rolling_to_another_variant_and_back(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    with target(cluster, make("onnx+replicas=2"), patience) as one:
        over, statuses = threading.Event(), []

        def load() -> None:
            while not over.is_set():
                statuses.append(ask(one.url))

        thread = threading.Thread(target=load)
        thread.start()
        try:
            one.rollout(make("baseline", "sentiment:2"))
            one.rollout(one.release)
        finally:
            over.set()
            thread.join()
        assert len(one.pods()) >= 4
    assert len(statuses) > 5
    assert set(statuses) == {200}


def test_a_url_that_was_given_is_the_one_that_is_used(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    with FakeTarget() as elsewhere:
        given = K3sTarget(cluster, make(), url=f"{elsewhere.url}/", patience=patience)
        assert given.url == elsewhere.url


def test_a_service_without_a_node_port_needs_a_url(cluster: Cluster, make: Make) -> None:
    hidden = replace(make(), node_port=False)
    with pytest.raises(OptbuildError, match="give --url"):
        K3sTarget(cluster, hidden).__enter__()
    with pytest.raises(OptbuildError, match="give --url"):
        address(cluster, "classifier")


def test_a_port_that_the_firewall_keeps() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OptbuildError, match=r"does not answer from here .*firewall"):
            wait_until_reached(url, timeout_s=0.1)


def test_this_machine_is_reached_without_a_proxy(
    fake: FakeCluster,
    kubeconfig: Path,
    patience: Patience,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with target(connect(kubeconfig), make(), patience):
        assert "deployments/classifier" in fake.names()
