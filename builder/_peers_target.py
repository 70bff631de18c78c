"""A peer as a target: its server in its own virtual environment, on this machine."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from bentofiles.predictor import cpus
from builder._peers_script import Settings
from builder.asking import predict
from builder.closed_loop import warm_up
from builder.experiment import WARM_UP_CONNECTIONS, WARM_UP_S
from deploy.child import Child
from deploy.local import ended, free_port, start
from deploy.scratch import scratch
from loadtests._calm import goes_first
from variants._errors import OptbuildError

START_TIMEOUT_S = 180.0
WARM_UP_REQUESTS = 64  # BentoML's batcher takes 11 dispatches of each worker to learn its costs
HOST = "127.0.0.1"
POLL_S = 0.1


class PeerServer:
    """The processes of one peer. A context manager: it answers on entering, is gone on leaving."""

    def __init__(
        self,
        name: str,
        python: Path,
        sources: Path,
        settings: Settings,
        log: Path,
        *,
        scripts: Path,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """`sources` is `src` of the Bento whose graph it serves; `scripts` holds the peers."""
        self.name = name
        self.python = python
        self.sources = sources
        self.settings = settings
        self.log = log
        self.scripts = scripts
        self.start_timeout_s = start_timeout_s
        self.port = 0

    @property
    def url(self) -> str:
        """Base URL, valid once it has started."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        start(self._start)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop every process of it."""
        self.cleanup.close()

    def _start(self) -> None:
        self.port = free_port(HOST, 0)
        self.cleanup = ExitStack()
        home = self.cleanup.enter_context(scratch(Path(tempfile.gettempdir()), "peer-"))
        # A copy, because a path to the toolkit itself would let a peer import its libraries.
        modules = home / "modules"
        shutil.copytree(self.scripts, modules / "loadtests" / "peers")
        (home / "scratch").mkdir()
        env = {
            "PYTHONPATH": str(modules),
            "PEER_SOURCES": str(self.sources),
            "PEER_SCRATCH": str(home / "scratch"),
            "PEER_PORT": str(self.port),
            "PEER_CPUS": str(cpus()),
        }
        env |= {f"PEER_{name.upper()}": str(value) for name, value in self.settings.items()}
        self.child = Child(
            ["-m", f"loadtests.peers.{self.name}"],
            self.log,
            env=env,
            background=not goes_first(),
            python=self.python,
        )
        self.cleanup.callback(self.child.stop)
        try:
            self._wait_until_it_answers()
            self.child.yield_sessions()
        except BaseException:
            self.__exit__()
            raise

    def _wait_until_it_answers(self) -> None:
        deadline_s = time.monotonic() + self.start_timeout_s
        while True:
            try:
                predict(self.url, ["A film."], timeout_s=10.0)
                return
            except OptbuildError as error:
                reason = str(error)
            if self.child.process.poll() is not None:
                code = self.child.process.returncode
                raise ended(self.child, f"ended with code {code}: {self.child.last_words(1)}")
            if time.monotonic() > deadline_s:
                raise OptbuildError(f"no answer in {self.start_timeout_s:g} s: {reason}", 1)
            time.sleep(POLL_S)


def peer_start(
    name: str, python: Path, sources: Path, log: Path, scripts: Path
) -> Callable[[Settings], PeerServer]:
    """Starts a peer with given settings."""
    return lambda one: PeerServer(name, python, sources, one, log, scripts=scripts)


def warm(url: str, texts: Sequence[str]) -> None:
    """Let a server that has just started get through some requests, before any that count."""
    warm_up(url, texts, WARM_UP_CONNECTIONS, WARM_UP_S, WARM_UP_REQUESTS)


def require_same_answers(
    url: str, texts: Sequence[str], expected: Sequence[dict[str, Any]], tolerance: float = 1e-3
) -> None:
    """Raise OptbuildError unless each text, sent alone, gets the expected label and score."""
    for text, wanted in zip(texts, expected, strict=True):
        found = predict(url, [text])
        try:
            same = (
                len(found) == 1
                and found[0]["label"] == wanted["label"]
                and abs(found[0]["score"] - wanted["score"]) <= tolerance
            )
        except (TypeError, KeyError):
            same = False
        if not same:
            raise OptbuildError(f"answers {found} where {wanted} is right", exit_code=1)
    # Together, but by label only: in int8 a score depends on the texts beside it.
    together = predict(url, texts[:4])
    if [item["label"] for item in together] != [item["label"] for item in expected[:4]]:
        raise OptbuildError(f"answers {together} to several texts in one request", exit_code=1)
