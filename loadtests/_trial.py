"""One test from the checked settings to the files it leaves."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from gevent import get_hub
from gevent.event import Event

from analysis.records import Records
from loadtests._certificate import Certificate, certify
from loadtests._recorder import (
    began_path_of,
    figures,
    planned_by,
    save,
    so_far_path_of,
    summary,
    write_so_far,
)
from loadtests._rows import ending
from loadtests._scenario import Scenario, Settings
from loadtests._schedule import Schedule
from loadtests._texts import load_texts
from variants._errors import OptbuildError


class Playing(Protocol):
    """A run of this process (Run) or of several (Fleet)."""

    finished: Event
    announce: Callable[[float], None]  # told the schedule's origin on CLOCK_MONOTONIC, once known

    @property
    def records(self) -> Records:
        """One row for each planned request, at any time."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the generator when the run has finished."""

    @property
    def troubles(self) -> list[str]:
        """What makes the run void, one line each."""

    def play(self) -> None:
        """Play the schedule to its end."""

    def interrupt(self) -> None:
        """End early; returns when the rows are final."""


Player = Callable[[Schedule, tuple[str, ...]], Playing]  # the planned requests and the texts


class Trial:
    """A scenario's schedule, ready to be played once.

    Raises OptbuildError if the texts, the schedule or the server's name cannot be used; nothing is
    sent before `run.play()`.
    """

    def __init__(self, scenario: Scenario, settings: Settings, player: Player) -> None:
        self._scenario = scenario
        self.settings = settings
        self._texts = load_texts(settings.texts)
        self._schedule = scenario.schedule(settings, len(self._texts.texts))
        if not len(self._schedule):
            raise OptbuildError("the schedule holds no request: raise --rate or --duration")
        self.run = player(self._schedule, self._texts.texts)
        self.run.announce = self._announce
        self.certificate: Certificate | None = None  # until the run is over
        self._kept: Path | None = None
        self._origin_s = math.nan

    def show(self) -> None:
        """Write the rows of what was planned so far, for whoever is about to inject a fault.

        In a thread of its own: the requests do not wait for the disk.
        """
        records = self.settings.records
        if records is not None and not math.isnan(self._origin_s):
            rows = planned_by(self.run.records, perf_counter() - self._origin_s)
            get_hub().threadpool.spawn(write_so_far, so_far_path_of(records), rows)

    def save(self, path: Path | None) -> None:
        """Certify the run; write the record and load.json, unless there is no path. Once."""
        if self.certificate is not None:
            return
        records = self.run.records
        facts = self._planned() | figures(records) | dict(self.run.facts)
        self.certificate = certify(records, self._schedule.law, facts, self.run.troubles)
        self._kept = path
        if path is not None:
            save(path, records, facts | {"certificate": self.certificate})

    def __str__(self) -> str:
        """The lines that end a run."""
        texts = f"texts: {self._texts.source} ({len(self._texts.texts)})"
        kept = f"records: {self._kept or 'not kept, --records FILE keeps them'}"
        certified = f"\n{ending(self.certificate)}" if self.certificate else ""
        return f"{texts}\n{kept}\n{summary(self.run.records)}{certified}"

    def _announce(self, origin_s: float) -> None:
        """Let whoever injects a fault know when the schedule begins, while it is played."""
        self._origin_s = origin_s
        if self.settings.records is not None:
            began_path_of(self.settings.records).write_text(f"{origin_s!r}\n", encoding="ascii")

    def _planned(self) -> dict[str, Any]:
        own = self.settings.to_message()
        return {name: own[name] for name in self._scenario.options} | {
            "format": 1,
            "scenario": self._scenario.name,
            "rate": self.settings.rate,  # of a trace, these two say nothing: see the certificate
            "cv": self.settings.cv,
            "duration_s": self.settings.duration_s,
            "seed": self.settings.seed,
            "timeout_s": self.settings.timeout_s,
            "resend": self.settings.resend,
            "schedule_sha256": self._schedule.sha256,
            "planned": len(self._schedule),
            "texts": {
                "source": self._texts.source,
                "sha256": self._texts.sha256,
                "count": len(self._texts.texts),
            },
        }
