from typing import Any

import pytest

from deploy.diagnosis import complete, hopeless, progress, unfinished

LABELS = {"app": "classifier", "variant": "new"}


def deployment(**status: Any) -> dict[str, Any]:
    settled = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": LABELS}}},
        "status": settled | status,
    }


def pod(
    name: str, *, ready: bool = True, leaving: bool = False, old: bool = False, **container: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "labels": LABELS | ({"variant": "old"} if old else {}),
    }
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": metadata,
        "status": {"conditions": conditions, "containerStatuses": [{"state": {}} | container]},
    }


BOTH = [pod("a"), pod("b")]


def test_a_rollout_is_complete() -> None:
    assert complete(deployment(), BOTH)


@pytest.mark.parametrize(
    ("status", "pods"),
    [
        ({"observedGeneration": 1}, BOTH),  # the cluster has not seen the new template
        ({"updatedReplicas": 1}, BOTH),
        ({"replicas": 3}, BOTH),  # an old one is still there
        ({"availableReplicas": 1}, BOTH),
        ({}, [pod("a"), pod("b", leaving=True)]),  # the status does not know yet
        ({}, [pod("a"), pod("b", ready=False)]),
    ],
)
def test_a_rollout_is_not_complete(status: dict[str, int], pods: list[dict[str, Any]]) -> None:
    assert not complete(deployment(**status), pods)


FAILURE = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
TOO_LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


@pytest.mark.parametrize("condition", [FAILURE, TOO_LATE])
def test_conditions_count_for_the_latest_template_only(condition: dict[str, str]) -> None:
    pods = [pod("a", ready=False, state={"running": {}})]
    assert hopeless(deployment(conditions=[condition]), pods) is not None
    assert hopeless(deployment(conditions=[condition], observedGeneration=1), pods) is None


WAITING = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("pods", "what"),
    [
        ([pod("a", ready=False, state={"waiting": {"reason": "ContainerCreating"}})], None),
        ([pod("a", ready=False, state={"waiting": {"reason": "ErrImagePull"}})], None),
        ([pod("a", ready=False, state=WAITING)], "a: ImagePullBackOff: not found"),
        ([pod("a", ready=False, old=True, state=WAITING)], None),  # that is being replaced
        ([pod("a", ready=False, leaving=True, state=WAITING)], None),
        ([pod("a", ready=False, restartCount=1, lastState=KILLED)], None),  # once is bad luck
        ([pod("a", ready=False, restartCount=2, lastState=KILLED)], "a is killed for want of"),
    ],
)
def test_what_time_does_not_mend(pods: list[dict[str, Any]], what: str | None) -> None:
    trouble = hopeless(deployment(), pods)
    if what is None:
        assert trouble is None
    else:
        assert trouble is not None and trouble.what.startswith(what)


def test_progress_says_what_the_first_unready_pod_does() -> None:
    loading = pod("b", ready=False, state={"running": {}})
    line = progress(deployment(), [pod("a"), loading, pod("c", old=True)])
    assert line == "1 of 2 replicas ready; b: running, loading the model"
    assert progress(deployment(), [*BOTH, pod("c", old=True)]).endswith("1 old ones are leaving")


def test_a_pod_without_a_place() -> None:
    homeless = pod("a", ready=False)
    homeless["status"]["conditions"] = [{"type": "PodScheduled", "reason": "Unschedulable"}]
    assert "no node has room for a" in unfinished(deployment(), [homeless]).what
    assert unfinished(deployment(), []).what == "the cluster makes no pods"
