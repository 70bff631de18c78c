"""A release in a K3s or any other Kubernetes, as a target of an experiment."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from deploy.address import address, checked_url, wait_until_reached
from deploy.cluster import Cluster
from deploy.manifests.release import Release
from deploy.owner import is_gone, owner
from deploy.pods import PodEvent, PodTimes, PodWatch
from deploy.rollout import Change, Patience, Say, roll_out, running, settle
from deploy.undo import remove, undeploy, wait_until_gone
from variants._errors import OptbuildError


class K3sTarget:
    """Deployed and reachable between entering and leaving the context; nothing is left of it.

    `url` overrides the address of the NodePort. Times of pods are those of `clock`; `watch` waits
    for what happens to them.
    """

    def __init__(
        self,
        cluster: Cluster,
        release: Release,
        *,
        url: str | None = None,
        say: Say = lambda _: None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cluster = cluster
        self.release = replace(release, owner=owner())
        self.say = say
        self.patience = patience or Patience()
        self._url = None if url is None else checked_url(url)
        self.watch = PodWatch(cluster, release.name, clock)

    @property
    def url(self) -> str:
        """Base URL, valid inside the context."""
        assert self._url is not None
        return self._url

    def __enter__(self) -> Self:
        """Deploy it; return when every replica is warm and the URL answers.

        What a killed process has left under that name is removed first. Raises OptbuildError where
        another release of that name is there: an experiment neither replaces nor removes what
        somebody may be using.
        """
        self._make_room()
        wait_until_gone(self.cluster, self.release.name)
        self.watch.__enter__()
        try:
            self.rollout(self.release)
            if self._url is None:
                self._url = address(self.cluster, self.release.name)
            wait_until_reached(self.url)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove it and wait until its last pod has left."""
        try:
            remove(self.cluster, self.release.name)
            wait_until_gone(self.cluster, self.release.name)
        finally:
            self.watch.__exit__()

    def pods(self) -> tuple[PodTimes, ...]:
        """Every pod there has been, and its times."""
        return self.watch.pods()

    def events(self) -> tuple[PodEvent, ...]:
        """Everything that happened to the pods, in order."""
        return self.watch.events()

    def delete_pod(self, name: str, grace_s: int | None = None) -> None:
        """Tell a pod to go; with a grace of 0 it is killed at once. Raises if there is none."""
        if not self.cluster.delete("Pod", name, grace_s):
            raise OptbuildError(f"there is no pod '{name}': it has gone meanwhile", exit_code=1)

    def scale(self, replicas: int) -> None:
        """Run so many replicas; return when that is so."""
        self.cluster.scale(self.release.name, replicas)
        self.settle()

    def rollout(self, release: Release) -> list[Change]:
        """Replace what runs by another release of the same name, one replica after the other."""
        if release.name != self.release.name:
            raise ValueError(f"{release.name} is not a release of {self.release.name}")
        owned = replace(release, owner=self.release.owner)
        return roll_out(self.cluster, owned, self.say, self.patience)

    def settle(self) -> None:
        """Block until every replica that is wanted is ready, e.g. after a pod was deleted."""
        settle(self.cluster, self.release.name, self.say, self.patience)

    def _make_room(self) -> None:
        name = self.release.name
        there = running(self.cluster, name)
        if there is None:
            return
        if there.owner is not None and is_gone(there.owner):
            remove(self.cluster, name)
            return
        removal = undeploy(self.cluster, name, there.spec)
        if there.owner is None:
            remedy = f"remove it first ({removal})"
        else:
            host = there.owner.partition("/")[0]
            remedy = f"wait for the run on {host} that uses it (if that was killed: {removal})"
        raise OptbuildError(
            f"'{there.spec}' is deployed as '{name}': {remedy}, "
            "or choose another --name or --namespace"
        )
