"""Locust as users start it, and what it leaves."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from analysis.records import Records, read_records

Start = Callable[..., "subprocess.Popen[str]"]
GATES = ["lateness p99", "arrivals accounted", "rate off by", "gaps off by", "generator CPU"]


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def texts_file(directory: Path, *texts: str) -> Path:
    path = directory / "texts.txt"
    path.write_text("\n".join(texts))
    return path


def read(directory: Path, number: str = "") -> tuple[Records, dict[str, Any]]:
    facts = json.loads((directory / f"load{number}.json").read_text())
    return read_records(directory / f"records{number}.parquet"), facts


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Ui:
    """Locust's web UI, as a browser uses it."""

    def __init__(self, start: Start, *arguments: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        port = self.url.rpartition(":")[2]
        options = ("--web-host", "127.0.0.1", "--web-port", port)
        self.process = start("bursty", *options, *arguments)
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=5).ok
        except requests.ConnectionError:
            return False

    def swarm(self, **form: object) -> dict[str, Any]:
        form = {"user_count": 25, "spawn_rate": 5, **form}
        answer: dict[str, Any] = requests.post(f"{self.url}/swarm", data=form, timeout=5).json()
        return answer

    def stats(self) -> dict[str, Any]:
        """What the page asks for every two seconds."""
        answer: dict[str, Any] = requests.get(f"{self.url}/stats/requests", timeout=5).json()
        return answer

    def state(self) -> str:
        return str(self.stats()["state"])

    def tab(self) -> list[dict[str, str]]:
        """Rows of the certificate's tab."""
        (table,) = self.stats()["extended_stats"]
        assert table["key"] == "certificate"
        rows: list[dict[str, str]] = table["data"]
        return rows
