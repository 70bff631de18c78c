"""A release into the cluster: applied, waited for, and taken back if it does not come up."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.apierrors import ApiError
from deploy.cluster import Cluster
from deploy.diagnosis import Trouble, complete, hopeless, progress, unfinished
from deploy.manifests.merge import Object
from deploy.manifests.release import (
    INSTANCE,
    MANAGED_BY,
    MANAGER,
    OWNER,
    SPEC,
    Release,
    selector,
)
from deploy.manifests.render import objects
from deploy.undo import APPLIED, annotated, remove, restore, undeploy
from variants._errors import OptbuildError

TIMEOUT_S = 300.0
POLL_S = 0.5
ABSENCE_S = 30.0  # a K3s that restarts is back by then

Say = Callable[[str], None]


@dataclass(frozen=True)
class Change:
    """What applying an object did: `created`, `changed` or `unchanged`."""

    kind: str
    name: str
    what: str


@dataclass(frozen=True)
class Patience:
    """How long to wait for a rollout; clock and sleep are those of tests or of this machine."""

    timeout_s: float = TIMEOUT_S
    poll_s: float = POLL_S
    absence_s: float = ABSENCE_S
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def roll_out(
    cluster: Cluster,
    release: Release,
    say: Say,
    patience: Patience | None = None,
    *,
    keep_failed: bool = False,
) -> list[Change]:
    """Bring a release into the cluster and wait until every replica is warm.

    Whatever ends it before that (Ctrl-C too) brings back what was there before, unless
    `keep_failed`. Raises OptbuildError that says why, and what is there now.
    """
    patience = patience or Patience()
    items = objects(release)
    previous = _look(cluster, items, release)
    for item in items:  # permissions, quotas, a namespace on its way out: before anything changes
        cluster.apply(item, dry_run=True)
    try:
        changes = [_apply(cluster, item) for item in items]
        _prune(cluster, previous, items)
        settle(cluster, release.name, say, patience)
    except (OptbuildError, KeyboardInterrupt, SystemExit) as error:
        if keep_failed:
            raise
        raise _taken_back(cluster, release, previous, error, say, patience) from error
    return changes


@dataclass(frozen=True)
class Running:
    """A release in the cluster: its spec, and the process that is going to remove it, if any."""

    spec: str
    owner: str | None


def running(cluster: Cluster, name: str) -> Running | None:
    """The release of that name in the cluster, None if there is none."""
    live = cluster.get("Deployment", name)
    if live is None or not _ours(live, name):
        return None
    notes = live["metadata"].get("annotations", {})
    return Running(str(notes.get(SPEC, "unknown")), notes.get(OWNER))


def _look(cluster: Cluster, items: list[Object], release: Release) -> list[Object] | None:
    """What was applied before: None if there was nothing, [] if something else has applied it.

    Completes `items` by what depends on what is there.
    """
    previous: list[Object] | None = None
    deployed: Object | None = None
    for item in items:
        live = cluster.get(item["kind"], release.name)
        if live is None:
            continue
        if not _ours(live, release.name):
            raise OptbuildError(
                f"there is a {item['kind']} '{release.name}' in namespace '{cluster.namespace}' "
                "that optbuild did not make: choose another --name"
            )
        if item["kind"] == "Deployment":
            deployed = live
            previous = json.loads(live["metadata"].get("annotations", {}).get(APPLIED, "[]"))
    deployment = next(item for item in items if item["kind"] == "Deployment")
    items[items.index(deployment)] = annotated(deployment, items, deployed)
    return previous


def _ours(live: Object, name: str) -> bool:
    labels = live["metadata"].get("labels", {})
    return (labels.get(MANAGED_BY), labels.get(INSTANCE)) == (MANAGER, name)


def _apply(cluster: Cluster, item: Object) -> Change:
    kind, name = item["kind"], item["metadata"]["name"]
    before = cluster.get(kind, name)
    after = cluster.apply(item)
    if before is None:
        return Change(kind, name, "created")
    same = _wanted(before) == _wanted(after)
    return Change(kind, name, "unchanged" if same else "changed")


def _wanted(live: Object) -> list[Any]:
    """What a manifest says of an object; its version also counts what controllers note."""
    metadata = live["metadata"]
    annotations = metadata.get("annotations", {})
    ours = [annotations.get(name) for name in (SPEC, APPLIED)]
    return [live["spec"], metadata.get("labels", {}), ours]


def _prune(cluster: Cluster, previous: Sequence[Object] | None, items: Sequence[Object]) -> None:
    """Delete what the release before had and this one has not: its autoscaler, perhaps."""
    kept = {item["kind"] for item in items}
    for item in previous or []:
        if item["kind"] not in kept:
            cluster.delete(item["kind"], item["metadata"]["name"])


def settle(cluster: Cluster, name: str, say: Say, patience: Patience) -> None:
    """Block until all replicas run the latest template and are ready.

    Raises OptbuildError that explains why if they do not, or never will.
    """
    deadline_s = patience.clock() + patience.timeout_s
    answered_s, said = patience.clock(), ""
    while True:
        try:
            deployment = cluster.get("Deployment", name)
            pods = cluster.select("Pod", selector(name))
        except ApiError as error:
            if not error.passing or patience.clock() - answered_s > patience.absence_s:
                raise
            patience.sleep(patience.poll_s)
            continue
        answered_s = patience.clock()
        if deployment is None:
            raise OptbuildError(f"somebody has deleted '{name}' meanwhile: deploy it again", 1)
        if complete(deployment, pods):
            return
        trouble = hopeless(deployment, pods)
        if trouble is None and answered_s > deadline_s:
            trouble = unfinished(deployment, pods)
        if trouble is not None:
            raise OptbuildError(_explain(cluster, trouble), 1)
        if (line := progress(deployment, pods)) != said:
            say(said := line)
        patience.sleep(patience.poll_s)


def _explain(cluster: Cluster, trouble: Trouble) -> str:
    """The trouble, the cluster's last warning about the pod, the end of its log, the remedy."""
    parts = [trouble.what]
    if trouble.pod is not None:
        events = cluster.select("Event", fields=f"involvedObject.name={trouble.pod}")
        warnings = [event["message"] for event in events if event.get("type") == "Warning"]
        parts += [f"the cluster says: {warnings[-1]}"] if warnings else []
        try:
            lines = cluster.log(trouble.pod, previous=trouble.crashed).strip().splitlines()
        except ApiError:  # gone, or not yet started: there is no log
            lines = []
        parts += [f"its log ends: {' | '.join(lines[-3:])}"] if lines else []
    return "; ".join([*parts, trouble.remedy])


def _taken_back(
    cluster: Cluster,
    release: Release,
    previous: list[Object] | None,
    error: BaseException,
    say: Say,
    patience: Patience,
) -> OptbuildError:
    """Put back what was there before the rollout; returns the error to raise."""
    if isinstance(error, OptbuildError):
        why, code = str(error), error.exit_code
    else:  # Ctrl-C, or a SIGTERM with its own code
        why, code = "interrupted", getattr(error, "code", 130)
    if previous == []:
        return OptbuildError(f"{why}; what was there before is not known: deploy that again", code)
    try:
        say("taking it back")
        if previous:
            spec = restore(cluster, release.name, previous)
            return OptbuildError(f"{why}; {_back(cluster, release.name, spec, patience)}", code)
        remove(cluster, release.name)
    except (OptbuildError, KeyboardInterrupt, SystemExit):
        return OptbuildError(
            f"{why}; it could not be taken back: "
            f"{undeploy(cluster, release.name, release.variant.spec)} when the cluster answers",
            code,
        )
    return OptbuildError(f"{why}; nothing of it is left in the cluster", code)


def _back(cluster: Cluster, name: str, spec: str, patience: Patience) -> str:
    """Wait for what was put back: it may have given up replicas to one that has fewer."""
    try:
        settle(cluster, name, lambda _: None, patience)
    except ApiError:
        raise
    except OptbuildError as error:
        return f"'{spec}' was put back, but does not come up either: {error}"
    return f"'{spec}' is back"
