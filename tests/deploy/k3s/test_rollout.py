import concurrent.futures
import json
import threading
import urllib.request
from dataclasses import replace
from typing import Any

import pytest
from fake_api import FakeCluster
from fake_release import Make

from deploy.address import address
from deploy.cluster import Cluster
from deploy.diagnosis import is_ready
from deploy.manifests.release import Release
from deploy.rollout import Patience, Running, roll_out, running
from deploy.undo import remove, wait_until_gone
from variants._errors import OptbuildError

ALL = {f"{plural}/classifier" for plural in ("networkpolicies", "services", "deployments")}
ALL |= {"poddisruptionbudgets/classifier"}


def quiet(_: str) -> None:
    pass


def objects_but_pods(fake: FakeCluster) -> set[str]:
    return {name for name in fake.names() if not name.startswith("pods/")}


def test_a_rollout_makes_every_object_and_ends_with_all_replicas_ready(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    said: list[str] = []
    changes = roll_out(cluster, make("onnx+replicas=3"), said.append, patience)
    assert {change.what for change in changes} == {"created"}
    assert objects_but_pods(fake) == ALL
    assert len(fake.store.all("pods")) == 3
    assert "of 3 replicas ready" in said[0]
    assert running(cluster, "classifier") == Running("onnx+replicas=3", None)


def test_the_same_release_again_changes_nothing(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(), quiet, patience)
    pods = {name for name in fake.names() if name.startswith("pods/")}
    changes = roll_out(cluster, make(), quiet, patience)
    assert {change.what for change in changes} == {"unchanged"}
    assert {name for name in fake.names() if name.startswith("pods/")} == pods


def test_what_controllers_note_meanwhile_is_no_change(
    fake: FakeCluster,
    cluster: Cluster,
    patience: Patience,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roll_out(cluster, make(), quiet, patience)
    apply = cluster.apply

    def noting(item: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        with fake.store.changed:
            budget = fake.store.get("poddisruptionbudgets", "classifier")
            assert budget is not None
            noted = budget.get("status", {}).get("seen", 0) + 1
            fake.store.put("poddisruptionbudgets", {**budget, "status": {"seen": noted}})
        return apply(item, dry_run=dry_run)

    monkeypatch.setattr(cluster, "apply", noting)
    changes = roll_out(cluster, make(), quiet, patience)
    assert {change.what for change in changes} == {"unchanged"}


def test_more_replicas_of_the_same_leave_the_pods_that_are_there(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make("onnx+replicas=2"), quiet, patience)
    before = {name for name in fake.names() if name.startswith("pods/")}
    roll_out(cluster, make("onnx+replicas=3"), quiet, patience)
    assert before < fake.names()


def test_another_release_replaces_it_without_a_lost_request(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make("onnx+replicas=2"), quiet, patience)
    url = address(cluster, "classifier")
    over = threading.Event()

    def ask() -> list[int]:
        statuses = []
        while not over.is_set():
            body = json.dumps({"texts": ["a film"]}).encode()
            with urllib.request.urlopen(f"{url}/predict", body, timeout=30) as answer:
                statuses.append(answer.status)
        return statuses

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            other = make("onnx+quantized+replicas=2", "sentiment:2")
            changes = roll_out(cluster, other, quiet, patience)
        finally:
            over.set()
        statuses = [status for one in asking for status in one.result()]
    assert [change.kind for change in changes if change.what == "changed"] == ["Deployment"]
    assert len(statuses) > 20
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("image", "why", "remedy"),
    [
        ("missing:1", "ImagePullBackOff", "--registry"),
        ("crash:1", r"ends with code 1 again and again; its log ends: .*ModuleNotFound", "serve"),
        ("oom:1", "killed for want of memory", "limits:memory"),
        ("never:1", "is not ready", "--timeout"),
    ],
)
def test_a_release_that_does_not_come_up_says_why_and_the_one_before_is_back(
    cluster: Cluster, patience: Patience, make: Make, image: str, why: str, remedy: str
) -> None:
    roll_out(cluster, make("onnx+replicas=2"), quiet, patience)
    if image == "never:1":
        patience = replace(patience, timeout_s=0.3)
    with pytest.raises(OptbuildError, match=f"{why}.*{remedy}.*'onnx.replicas=2' is back") as error:
        roll_out(cluster, make("baseline", image), quiet, patience)
    assert error.value.exit_code == 1
    assert "\n" not in str(error.value)
    assert {change.what for change in roll_out(cluster, make("onnx+replicas=2"), quiet)} == {
        "unchanged"
    }


def test_replicas_that_were_given_up_are_back_too(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make("onnx+replicas=3"), quiet, patience)
    with pytest.raises(OptbuildError, match=r"'onnx.replicas=3' is back"):
        roll_out(cluster, make("onnx", "crash:1"), quiet, patience)
    assert sum(map(is_ready, fake.store.all("pods"))) == 3


def test_what_was_broken_before_is_not_called_back(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    with pytest.raises(OptbuildError):
        roll_out(cluster, make(image="crash:1"), quiet, patience, keep_failed=True)
    with pytest.raises(OptbuildError, match=r"ImagePull.*'onnx' was put back, but .* ends with"):
        roll_out(cluster, make("baseline", "missing:1"), quiet, patience)


def test_a_first_release_that_does_not_come_up_leaves_nothing(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    with pytest.raises(OptbuildError, match="nothing of it is left in the cluster"):
        roll_out(cluster, make(image="missing:1"), quiet, patience)
    wait_until_gone(cluster, "classifier")
    assert fake.names() == set()


def test_a_failed_rollout_can_be_kept_to_look_at(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    with pytest.raises(OptbuildError, match="ImagePullBackOff") as error:
        roll_out(cluster, make(image="missing:1"), quiet, patience, keep_failed=True)
    assert "left" not in str(error.value)
    assert objects_but_pods(fake) == ALL


def test_what_a_failed_release_added_goes_with_it(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(), quiet, patience)
    with pytest.raises(OptbuildError, match="'onnx' is back"):
        roll_out(cluster, make("onnx", "missing:1", hpa_max=3), quiet, patience)
    assert objects_but_pods(fake) == ALL


def test_an_autoscaler_goes_with_the_release_that_had_it(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(hpa_max=3), quiet, patience)
    assert "horizontalpodautoscalers/classifier" in fake.names()
    roll_out(cluster, make(), quiet, patience)
    assert objects_but_pods(fake) == ALL


def test_an_autoscaled_release_again_keeps_the_replicas_it_has(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(hpa_max=5), quiet, patience)
    cluster.scale("classifier", 4)  # as the autoscaler would
    roll_out(cluster, make("onnx+batching", hpa_max=5), quiet, patience)
    assert len(fake.store.all("pods")) >= 4


@pytest.mark.parametrize(("before", "then"), [(None, 3), (1, 3), (4, 4), (8, 5)])
def test_an_autoscaled_release_starts_with_replicas_that_its_autoscaler_would_leave(
    fake: FakeCluster,
    cluster: Cluster,
    patience: Patience,
    make: Make,
    before: int | None,
    then: int,
) -> None:
    if before is not None:
        roll_out(cluster, make(f"onnx+replicas={before}"), quiet, patience)
    roll_out(cluster, make("onnx+replicas=3", hpa_max=5), quiet, patience)
    staying = [p for p in fake.store.all("pods") if "deletionTimestamp" not in p["metadata"]]
    assert len(staying) == then
    assert all(map(is_ready, staying))


def test_the_same_autoscaled_release_again_changes_nothing(
    cluster: Cluster, patience: Patience, make: Make
) -> None:
    for replicas in (3, 4):  # as the autoscaler would have it the second time
        roll_out(cluster, make("onnx+replicas=3", hpa_max=5), quiet, patience)
        cluster.scale("classifier", replicas)
        changes = roll_out(cluster, make("onnx+replicas=3", hpa_max=5), quiet, patience)
        assert {change.what for change in changes} == {"unchanged"}


def test_an_autoscaled_release_is_back_with_the_replicas_that_it_had(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make("onnx+replicas=2", hpa_max=5), quiet, patience)
    cluster.scale("classifier", 4)
    with pytest.raises(OptbuildError, match=r"'onnx.replicas=2' is back"):
        roll_out(cluster, make("onnx", "crash:1", hpa_max=5), quiet, patience)
    assert sum(map(is_ready, fake.store.all("pods"))) == 4


def test_removing_takes_exactly_what_was_made(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    roll_out(cluster, make(hpa_max=3), quiet, patience)
    other = Release("other", "sentiment:1", make().variant)
    roll_out(cluster, other, quiet, patience)
    removed = remove(cluster, "classifier")
    wait_until_gone(cluster, "classifier")
    assert len(removed) == 5
    assert {name.split("/")[1].split("-")[0] for name in fake.names()} == {"other"}
    assert remove(cluster, "classifier") == []


def test_what_somebody_else_has_made_is_left_alone(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    theirs = {"metadata": {"name": "classifier", "labels": {"app": "theirs"}}, "spec": {}}
    fake.store.put("services", theirs)
    with pytest.raises(OptbuildError, match="that optbuild did not make: choose another --name"):
        roll_out(cluster, make(), quiet, patience)
    assert fake.names() == {"services/classifier"}
    assert remove(cluster, "classifier") == []


def test_a_release_that_kubectl_has_applied_is_not_removed_by_a_failure(
    fake: FakeCluster, cluster: Cluster, patience: Patience, make: Make
) -> None:
    from deploy.manifests.render import objects

    for item in objects(make()):
        cluster.apply(item)
    with pytest.raises(OptbuildError, match="not known: deploy that again"):
        roll_out(cluster, make(image="missing:1"), quiet, patience)
    assert objects_but_pods(fake) == ALL
