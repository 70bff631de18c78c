"""A release in a Kubernetes, as a target of disruptions."""

import math
import time
from datetime import UTC, datetime

from deploy.apierrors import ApiError
from deploy.cluster import Cluster
from deploy.disruptable import NotSettled, ReplicaEvent, What
from deploy.inside import FILL, KILL, UNBURN, burning, detached
from deploy.k3s import K3sTarget
from deploy.manifests.release import Release, selector
from deploy.manifests.render import GRACE_S
from deploy.pod_exec import run
from deploy.pods import PodTimes
from deploy.rollout import Patience, Say
from variants._errors import OptbuildError

GONE_WITHIN_S = 60.0  # after the end of a pod's grace
OOM_WITHIN_S = 60.0
_WHAT: dict[str, What] = {
    "created": "created",
    "ready": "ready",
    "unready": "unready",
    "restarted": "restarted",
    "terminating": "terminating",
    "gone": "gone",
}


class K3sFleet(K3sTarget):
    """Pods that are deleted, rolled, scaled and drained; their times are on CLOCK_MONOTONIC.

    A time is that at which the cluster's message arrives, some milliseconds after the fact; that
    of a kill is the moment before it is ordered, and it is over when the pod is gone.
    """

    def __init__(
        self,
        cluster: Cluster,
        release: Release,
        *,
        url: str | None = None,
        say: Say = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(
            cluster, release, url=url, say=say, patience=patience, clock=time.monotonic
        )
        self._kills: list[ReplicaEvent] = []
        self._drained = ""  # node
        self._closed: list[str] = []  # nodes
        self._stressed: list[str] = []  # pods

    @property
    def wanted(self) -> int:
        """Replicas of the release."""
        return self.release.variant.replicas

    def __exit__(self, *exception: object) -> None:
        """Open what was closed, remove the release."""
        try:
            self.uncordon()
        finally:
            super().__exit__(*exception)

    def replicas(self) -> tuple[str, ...]:
        """Names of the pods that are ready, oldest first."""
        ready: dict[str, None] = {}
        for event in self.events():
            if event.what == "ready":
                ready[event.pod] = None
            elif event.what in ("unready", "terminating", "gone"):
                ready.pop(event.pod, None)
        return tuple(ready)

    def timeline(self) -> tuple[ReplicaEvent, ...]:
        """The pods' events, and the kills that were ordered."""
        seen = [ReplicaEvent(one.at_s, one.pod, _WHAT[one.what]) for one in self.events()]
        return tuple(sorted([*seen, *self._kills], key=lambda event: event.at_s))

    def served(self) -> dict[int, str]:
        """Nothing: a Service does not tell."""
        return {}

    def delete(self, replica: str, grace_s: float | None) -> None:
        """Delete a pod, as `kubectl delete pod`; return when it is gone.

        At once is a second, as with `--now`: the least that a kubelet is told of. With 0 the API
        forgets the pod, while its container may go on for the pod's own grace, seen by nobody.
        """
        if grace_s == 0:
            self._kills.append(ReplicaEvent(time.monotonic(), replica, "killed", "grace of 0 s"))
        self.delete_pod(replica, None if grace_s is None else max(1, math.ceil(grace_s)))

        def gone(pods: tuple[PodTimes, ...]) -> bool:
            return any(pod.name == replica and pod.gone_s is not None for pod in pods)

        if not self.watch.wait_for(gone, (GRACE_S if grace_s is None else grace_s) + GONE_WITHIN_S):
            raise OptbuildError(f"pod '{replica}' does not go: look at kubectl describe pod", 1)

    def kill(self, replica: str) -> None:
        """SIGKILL to every process of its container; return at once."""
        self._kills.append(ReplicaEvent(time.monotonic(), replica, "killed", "SIGKILL"))
        run(self.cluster, replica, detached(KILL))

    def roll(self) -> None:
        """`kubectl rollout restart`: every pod is replaced, as the manifest's strategy says."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.cluster.restart(self.release.name, at)
        self.settle()

    def settle(self) -> None:
        """Block until every replica that is wanted is ready; raises NotSettled if that fails."""
        try:
            super().settle()
        except ApiError:
            raise
        except OptbuildError as error:
            raise NotSettled(str(error), error.exit_code) from error

    def scale_back(self) -> None:
        """Want as many as the release says."""
        self.cluster.scale(self.release.name, self.wanted)

    def drain(self, replica: str) -> None:
        """Close the node of a pod, evict the release's pods from it: `kubectl drain`.

        What the disruption budget keeps stays where it is.
        """
        pod = self.cluster.get("Pod", replica)
        if pod is None:
            raise OptbuildError(f"there is no pod '{replica}': it has gone meanwhile", 1)
        self._drained = str(pod["spec"]["nodeName"])
        node = self.cluster.get("Node", self._drained)
        if node is not None and not node["spec"].get("unschedulable", False):
            self._closed.append(self._drained)  # before it is: whatever comes, it is opened again
            self.cluster.close_node(self._drained, closed=True)
        self.drain_on()

    def drain_on(self) -> None:
        """Evict the release's pods that are still on the drained node and not on their way."""
        for pod in self.cluster.select("Pod", selector(self.release.name)):
            leaving = "deletionTimestamp" in pod["metadata"]
            if pod["spec"].get("nodeName") == self._drained and not leaving:
                self.cluster.evict(pod["metadata"]["name"])

    def stress(self, replica: str) -> None:
        """Busy loops in its container: one for each core that it may use."""
        limit = self.release.variant.cpu_limit
        cores = "$(nproc)" if limit is None else str(math.ceil(limit))
        self._stressed.append(replica)
        run(self.cluster, replica, burning(cores))

    def unstress(self) -> None:
        """End the busy loops."""
        while self._stressed:
            run(self.cluster, self._stressed[-1], UNBURN)
            self._stressed.pop()

    def exhaust_memory(self, replica: str) -> None:
        """Fill what its limit leaves; return when the kubelet has started its container again."""
        if self.release.variant.memory_limit_bytes is None:
            raise OptbuildError(
                f"'{self.release.variant.spec}' has no memory limit, so the node would run out of "
                "memory: add the layer limits:memory=..."
            )
        self._kills.append(ReplicaEvent(time.monotonic(), replica, "killed", "out of memory"))
        run(self.cluster, replica, detached(FILL))

        def dead(pods: tuple[PodTimes, ...]) -> bool:
            return any(p.name == replica and (p.restarts > 0 or p.gone_s is not None) for p in pods)

        if not self.watch.wait_for(dead, OOM_WITHIN_S):
            raise OptbuildError(f"pod '{replica}' survived {OOM_WITHIN_S:g} s of it", exit_code=1)

    def restore_memory(self) -> None:
        """Nothing: a container that is started again has nothing of it."""

    def uncordon(self) -> None:
        """Open the nodes that were closed here."""
        while self._closed:
            self.cluster.close_node(self._closed[-1], closed=False)
            self._closed.pop()
