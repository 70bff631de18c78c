"""What goes wrong around a rollout: one line that says what to do, and nothing left behind."""

import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeCluster, Refusal
from fake_release import Make

from deploy.cluster import Cluster
from deploy.kubeconfig import connect, find
from deploy.rollout import Patience, roll_out
from deploy.undo import remove, wait_until_gone
from variants._errors import OptbuildError


def quiet(_: str) -> None:
    pass


def test_no_cluster_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("deploy.kubeconfig.K3S", tmp_path / "k3s.yaml")
    with pytest.raises(OptbuildError, match=r"get.k3s.io") as error:
        find(None)
    assert error.value.exit_code == 2


def test_where_a_kubeconfig_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    k3s, own = tmp_path / "k3s.yaml", tmp_path / ".kube" / "config"
    monkeypatch.setattr("deploy.kubeconfig.K3S", k3s)
    k3s.touch()
    assert find(None) == str(k3s)
    own.parent.mkdir()
    own.touch()
    assert find(None) == str(own)
    monkeypatch.setenv("KUBECONFIG", "a:b")
    assert find(None) == "a:b"
    assert find(Path("given")) == "given"


def test_a_cluster_that_does_not_answer(kubeconfig: Path) -> None:
    with pytest.raises(OptbuildError, match=r"does not answer.*systemctl start k3s"):
        connect(kubeconfig, "dead")


def test_a_context_that_is_not_there(kubeconfig: Path) -> None:
    with pytest.raises(OptbuildError, match="no context 'typo': choose --context from fake, dead"):
        connect(kubeconfig, "typo")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "clusters: 3", "current-context: x"])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(OptbuildError, match="give another --kubeconfig"):
        connect(file)


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptbuildError, match="give another --kubeconfig"):
        connect(tmp_path / "nowhere")


def test_credentials_that_are_not_accepted(kubeconfig: Path) -> None:
    kubeconfig.write_text(kubeconfig.read_text().replace("a-token", "another"))
    with pytest.raises(OptbuildError, match="renew them"):
        connect(kubeconfig)


@pytest.mark.parametrize(
    ("namespace", "remedy"),
    [
        ("nowhere", "kubectl create namespace nowhere"),
        ("leaving", "'leaving' is being deleted: wait until it is gone"),
    ],
)
def test_a_namespace_that_takes_nothing(
    fake: FakeCluster, kubeconfig: Path, make: Make, namespace: str, remedy: str
) -> None:
    with pytest.raises(OptbuildError, match=remedy) as error:
        roll_out(connect(kubeconfig, namespace=namespace), make(), quiet)
    assert error.value.exit_code == 2
    assert fake.names() == set()


@pytest.mark.parametrize(
    ("method", "plural"),
    [("GET", "deployments"), ("PATCH", "networkpolicies"), ("PATCH", "deployments")],
)
def test_no_permission_is_said_before_anything_is_changed(
    fake: FakeCluster, cluster: Cluster, make: Make, method: str, plural: str
) -> None:
    fake.refuse[method, plural] = [Refusal(403, f"{plural} is forbidden")]
    with pytest.raises(OptbuildError, match=r"no permission to .* ask for the role") as error:
        roll_out(cluster, make(), quiet)
    assert error.value.exit_code == 2
    assert fake.names() == set()


def test_permission_lost_on_the_way(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    # The first one is for the rehearsal.
    forbidden = Refusal(403, "deployments is forbidden")
    later = [Refusal(503, "busy"), Refusal(503, "busy"), forbidden]
    fake.refuse["PATCH", "deployments"] = later
    with pytest.raises(OptbuildError, match="no permission to apply Deployment classifier"):
        roll_out(cluster, make(), quiet, patience)
    assert fake.names() == set()


def test_a_quota_that_leaves_no_room_for_an_object(
    fake: FakeCluster, cluster: Cluster, make: Make
) -> None:
    message = 'services "classifier" is forbidden: exceeded quota: q, used: services=1'
    fake.refuse["PATCH", "services"] = [Refusal(403, message)]
    with pytest.raises(OptbuildError, match=r"exceeded quota.*or have the quota raised"):
        roll_out(cluster, make(), quiet)
    assert fake.names() == set()


def test_a_quota_that_leaves_no_room_for_the_pods(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    fake.nature.quota = 1
    with pytest.raises(OptbuildError, match=r"exceeded quota.*fewer replicas.*nothing of it"):
        roll_out(cluster, make("onnx+replicas=2"), quiet, patience)
    wait_until_gone(cluster, "classifier")
    assert fake.names() == set()


def test_no_node_has_room(fake: FakeCluster, cluster: Cluster, make: Make) -> None:
    fake.nature.room = 1
    impatient = Patience(timeout_s=0.5, poll_s=0.02)
    with pytest.raises(OptbuildError, match=r"no node has room.*Insufficient cpu.*ask for less"):
        roll_out(cluster, make("onnx+replicas=2"), quiet, impatient)


def test_a_busy_api_is_asked_again(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    fake.refuse["PATCH", "deployments"] = [Refusal(429, "slow down"), Refusal(409, "conflict")]
    fake.refuse["GET", "pods"] = [Refusal(500, "etcd has no leader")]
    roll_out(cluster, make(), quiet, patience)
    assert fake.refuse["PATCH", "deployments"] == []


def test_a_conflict_that_stays(fake: FakeCluster, cluster: Cluster, make: Make) -> None:
    fake.refuse["PATCH", "services"] = [Refusal(409, "the object has been modified")] * 9
    with pytest.raises(OptbuildError, match="somebody else is changing the same thing"):
        roll_out(cluster, make(), quiet)
    assert fake.names() == set()


def test_something_the_cluster_finds_invalid(
    fake: FakeCluster, cluster: Cluster, make: Make
) -> None:
    fake.refuse["PATCH", "deployments"] = [Refusal(422, "spec.x: Invalid value")]
    with pytest.raises(OptbuildError, match=r"refuses to apply Deployment classifier: spec.x"):
        roll_out(cluster, make(), quiet)


def test_the_api_goes_in_the_middle(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    def vanish(line: str) -> None:
        if "replicas ready" in line:
            fake.vanish()

    with pytest.raises(OptbuildError, match=r"does not answer.*optbuild undeploy 'onnx'") as error:
        roll_out(cluster, make("onnx", "never:1"), vanish, patience)
    assert error.value.exit_code == 1


def test_the_api_is_away_for_a_moment(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    def away(line: str) -> None:
        if "replicas ready" in line and not fake.refuse.get(("GET", "pods")):
            fake.refuse["GET", "pods"] = [Refusal(503, "starting")] * 5

    roll_out(cluster, make(), away, replace(patience, absence_s=30))


def test_somebody_deletes_it_meanwhile(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    def delete(line: str) -> None:
        fake.store.drop("deployments", "classifier")

    with pytest.raises(OptbuildError, match="somebody has deleted 'classifier' meanwhile"):
        roll_out(cluster, make("onnx", "never:1"), delete, patience)


# A first rollout asks 4 x look, 4 x rehearse, 4 x (look, apply) before it waits.
@pytest.mark.parametrize("request_number", [1, 6, 9, 10, 12, 14, 16, 17, 18, 20])
def test_ctrl_c_at_any_request_leaves_nothing(
    fake: FakeCluster,
    cluster: Cluster,
    patience: Patience,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    request_number: int,
) -> None:
    asked, answer = 0, cluster._answer

    def interrupted(*arguments: object) -> bytes:
        nonlocal asked
        asked += 1
        try:
            return answer(*arguments)  # type: ignore[arg-type]  # passed on as they came
        finally:
            if asked == request_number:
                raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "_answer", interrupted)
    with pytest.raises((KeyboardInterrupt, OptbuildError)) as error:
        roll_out(cluster, make("onnx", "never:1"), quiet, patience)
    if isinstance(error.value, OptbuildError):
        assert error.value.exit_code == 130
        assert str(error.value).startswith("interrupted; nothing of it is left")
    wait_until_gone(cluster, "classifier")
    assert fake.names() == set()


def test_a_real_ctrl_c_while_it_waits_brings_the_release_before_back(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(), quiet, patience)

    pressed: list[str] = []

    def press(line: str) -> None:
        if "replicas ready" in line and not pressed:
            pressed.append(line)
            threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()

    with pytest.raises(OptbuildError, match="interrupted; 'onnx' is back") as error:
        roll_out(cluster, make("baseline", "never:1"), press, patience)
    assert error.value.exit_code == 130


def test_ctrl_c_twice_leaves_what_undeploy_removes(
    fake: FakeCluster,
    cluster: Cluster,
    patience: Patience,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def press(_: str) -> None:
        def again(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cluster, "delete", again)
        raise KeyboardInterrupt

    with pytest.raises(OptbuildError, match=r"interrupted; .*optbuild undeploy 'onnx'") as error:
        roll_out(cluster, make("onnx", "never:1"), press, patience)
    assert error.value.exit_code == 130
    monkeypatch.undo()
    remove(cluster, "classifier")
    wait_until_gone(cluster, "classifier")
    assert fake.names() == set()
