"""Replicas of a Bento as containers of a local engine, kept alive as in a cluster."""

import math
import os
from pathlib import Path
from typing import Self

from docker import DockerClient

from deploy.container_replica import ContainerReplica
from deploy.docker import remove_leftovers
from deploy.fleet import Fleet
from deploy.owner import owner
from variants._layer import Variant


class DockerFleet(Fleet):
    """A fleet of containers with the variant's limits; it can also stress and exhaust them."""

    def __init__(self, client: DockerClient, image: str, variant: Variant, log: Path) -> None:
        super().__init__(self._replica, variant.replicas, log)
        self._client = client
        self._image = image
        self._variant = variant
        # Entered several times at once by one process, each sees its own.
        self._label = f"{owner()}/{id(self):x}"
        self._stressed: list[ContainerReplica] = []

    def __enter__(self) -> Self:
        """Remove what a killed process has left, then start all replicas."""
        remove_leftovers(self._client)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        return super().__enter__()

    def stress(self, replica: str) -> None:
        """Busy loops in its container: one for each core that it may use."""
        one = self._container(replica)
        self._stressed.append(one)
        cores = self._variant.cpu_limit or len(os.sched_getaffinity(0))
        one.burn(math.ceil(cores))

    def unstress(self) -> None:
        """End the busy loops."""
        while self._stressed:
            self._stressed.pop().unburn()

    def exhaust_memory(self, replica: str) -> None:
        """Have the kernel kill its server; the keeper starts a new container."""
        self._container(replica).exhaust_memory()

    def restore_memory(self) -> None:
        """Nothing: the container that was squeezed is dead, and a new one has the old limit."""

    def _replica(self, name: str) -> ContainerReplica:
        log = self._log.with_name(f"{self._log.stem}-{name}.log")
        return ContainerReplica(self._client, self._image, self._variant, name, self._label, log)

    def _container(self, replica: str) -> ContainerReplica:
        found = self.find(replica).replica
        assert isinstance(found, ContainerReplica)
        return found
