"""A replica in a container of a local engine."""

import contextlib
import os
import threading
import time
from pathlib import Path

import requests
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

from deploy.docker import SERVER_PORT, last_words, remove, start
from deploy.inside import BURN, FILL, UNBURN
from variants._errors import OptbuildError
from variants._layer import Variant

ROOM_BYTES = 32 * 2**20  # between what a replica uses and the limit that it is squeezed to
OOM_WITHIN_S = 60.0
AWAY_S = 5.0  # an engine that refuses for so long is not going to come back soon


class ContainerReplica:
    """One container; a new one each time it is started, as a kubelet does.

    What it is told while its container is going or gone is ignored.
    """

    def __init__(
        self, client: DockerClient, image: str, variant: Variant, name: str, label: str, log: Path
    ) -> None:
        self.name = name
        self._client = client
        self._image = image
        self._variant = variant
        self._label = label
        self._log = log
        self._container: Container | None = None
        self._ended = threading.Event()
        self._starts = 0

    def start(self) -> int:
        """Start a container."""
        self.close()
        self._starts += 1
        self._ended = threading.Event()
        name = f"optbuild-{os.getpid()}-{self._label[-8:]}-{self.name}-{self._starts}"
        self._container = start(
            self._client,
            self._image,
            self._variant,
            name=name.replace("/", "-"),
            label=self._label,
            address=("127.0.0.1", None),
            background=True,
        )
        watcher = threading.Thread(
            target=_wait, args=(self._container, self._ended), name=name, daemon=True
        )
        watcher.start()
        return self._port(self._container)

    def alive(self) -> bool:
        """Whether the container runs, as the engine tells us at once when it does not."""
        return self._container is not None and not self._ended.is_set()

    def end(self) -> None:
        """SIGTERM to its first process."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """SIGKILL to its first process, with which all others die."""
        self._signal("SIGKILL")

    def close(self) -> None:
        """Keep its log and remove it."""
        if self._container is None:
            return
        with contextlib.suppress(APIError), self._log.open("ab") as file:
            file.write(f"== {self._container.name}\n".encode() + self._container.logs())
        remove(self._container)
        self._ended.set()
        self._container = None

    def last_words(self) -> str:
        """The end of its log."""
        with contextlib.suppress(APIError):
            return "" if self._container is None else last_words(self._container)
        return ""

    def burn(self, loops: int) -> None:
        """Start so many busy loops in it, within its CPU limit."""
        for number in range(loops):
            self._run(BURN.format(number=number), detach=True)

    def unburn(self) -> None:
        """End them; harmless if there are none."""
        self._run(UNBURN, detach=False)

    def exhaust_memory(self) -> None:
        """Limit its memory to little more than it uses now, and have the kernel kill its server.

        Raises OptbuildError if it still lives after OOM_WITHIN_S.
        """
        container = self._container
        assert container is not None
        used = container.stats(stream=False, one_shot=True)["memory_stats"]["usage"]
        limit = int(used) + ROOM_BYTES
        container.update(mem_limit=limit, memswap_limit=limit)
        self._run(FILL, detach=True)
        if not self._ended.wait(OOM_WITHIN_S):
            raise OptbuildError(
                f"{container.name} survived its memory limit of {limit / 2**20:.0f} MiB for "
                f"{OOM_WITHIN_S:g} s: this engine does not enforce it",
                exit_code=1,
            )

    def _run(self, script: str, detach: bool) -> None:
        if self._container is not None:
            with contextlib.suppress(APIError):  # it has ended meanwhile
                self._container.exec_run(["/bin/sh", "-c", script], detach=detach)

    def _signal(self, name: str) -> None:
        if self._container is not None:
            with contextlib.suppress(APIError):  # it has ended already
                self._container.kill(name)

    def _port(self, container: Container) -> int:
        container.reload()
        bindings = container.ports.get(SERVER_PORT)
        if not bindings:
            raise OptbuildError(
                f"{container.name} ended at once: {last_words(container)}", exit_code=1
            )
        return int(bindings[0]["HostPort"])


def _wait(container: Container, ended: threading.Event) -> None:
    """Say when the container has ended, or is gone, or nobody is there to ask."""
    there_s = time.monotonic()  # when the engine was there
    while not ended.is_set():
        began_s = time.monotonic()
        try:
            container.wait()
            break
        except APIError:
            break
        except requests.RequestException:
            if time.monotonic() - began_s > 1.0:  # it was silent for long, or has just gone away
                there_s = time.monotonic()
            if time.monotonic() - there_s > AWAY_S:
                break
            time.sleep(0.1)
    ended.set()
