"""Randomized complete blocks: in each, every server meets every load, in random order."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.gates import check_run
from analysis.records import read_records
from builder._peers_drain import drained, idle_s
from builder._peers_plan import LIMIT, LOADS, Plan
from builder._peers_probe import Answers, limit, saturate
from builder._peers_script import Settings
from builder._peers_target import require_same_answers, warm
from builder.asking import predict
from builder.covariates import CpuTimes, covariates
from builder.files import write_json
from builder.load import Load, run_load
from builder.machine import machine_facts
from builder.plan import MOST_ATTEMPTS
from builder.runs import RunStore, run_id
from deploy.target import Target
from loadtests._texts import Texts
from variants._errors import OptbuildError

Serve = Callable[[str, Settings, Path], Target]  # a contender, its settings, its log


class Blocks:
    """Runs what is missing of a plan; can be killed and started again at any time."""

    def __init__(
        self,
        plan: Plan,
        sources: Path,
        texts: Texts,
        answers: Answers,
        directory: Path,
        console: Console,
        serve: Serve,
    ) -> None:
        self.plan = plan
        self.sources = sources
        self.texts = texts
        self.answers = answers
        self.directory = directory
        self.console = console
        self.serve = serve
        self.store = RunStore(directory)
        self.machine = machine_facts()
        self.texts_file = directory / "texts.txt"
        self.texts_file.write_text("\n".join(texts.texts) + "\n", encoding="utf-8")

    def run(self) -> None:
        """Run every block that is not finished; a load that keeps failing its gates is given up."""
        for block in range(1, self.plan.choices.blocks + 1):
            while missing := self._missing(block):
                self._pass(block, missing)

    def _missing(self, block: int) -> list[str]:
        """Loads with runs to do, in this block's order."""
        order = ["direct", *self.plan.load_order(block)]
        return [
            load
            for load in order
            if self.store.attempts(block, load) < MOST_ATTEMPTS
            and any(
                not self.store.finished(run_id(block, load, contender))
                for contender in self.plan.contenders
                if load in self.plan.loads_of(contender)
            )
        ]

    def _pass(self, block: int, missing: list[str]) -> None:
        """Every contender once through the loads that are missing.

        A load whose run fails a gate is left out of the rest of the pass: it is repeated as a
        whole, by the next pass.
        """
        for contender in self.plan.order(block):
            loads = [
                load
                for load in missing
                if load in self.plan.loads_of(contender)
                and not self.store.finished(run_id(block, load, contender))
            ]
            if not loads:
                continue
            if contender == LIMIT:
                self._measure_limit(block)
                continue
            left = list(loads)
            while left:
                settings = self.plan.settings_for(contender, left[0])
                try:
                    self._serve(block, contender, left, missing)
                except OptbuildError as error:
                    # One server's trouble is its own result, and no reason to stop the others.
                    for load in [*left]:
                        if self.plan.settings_for(contender, load) == settings:
                            self._finish(block, load, contender, {"failed": str(error)})
                            left.remove(load)

    def _serve(self, block: int, contender: str, left: list[str], missing: list[str]) -> None:
        """Take from `left` what one server has gone through, from `missing` what failed a gate.

        Every load meets a server at rest, for everybody alike: one that does not come to rest, or
        was started with other settings than are best for the next load, makes way for a fresh one.
        """
        settings = self.plan.settings_for(contender, left[0])
        log = self.directory / "logs" / f"b{block:03d}-{contender}.log"
        with self.serve(contender, settings, log) as target:
            require_same_answers(target.url, self.texts.texts[: len(self.answers)], self.answers)
            warm(target.url, self.texts.texts)
            probe = partial(predict, target.url, self.texts.texts[:1])
            rest_s = idle_s(probe)
            while left:
                if not self._measure(block, left[0], contender, target.url):
                    missing.remove(left[0])
                del left[0]
                if left and self.plan.settings_for(contender, left[0]) != settings:
                    return
                if left and not drained(probe, rest_s):
                    self._say(f"b{block:03d}-{contender}: still busy; started anew")
                    return

    def _measure_limit(self, block: int) -> None:
        log = self.directory / "logs" / f"b{block:03d}-limit.log"
        before = CpuTimes.now()
        way, seconds = self.plan.limit_way, self.plan.choices.seconds
        found, _ = limit(self.sources, self.texts.texts, [way], seconds, log)
        busy = covariates(before, CpuTimes.now())
        result = {"way": str(way), "rps": found[str(way)]}
        self._finish(block, "direct", LIMIT, {"result": result, "covariates": busy})

    def _measure(self, block: int, load: str, contender: str, url: str) -> bool:
        """One run; False if it failed a gate, and its load has been set aside in this block."""
        connections = LOADS[load].connections
        if connections is None:
            return self._open_loop(block, load, contender, url)
        before = CpuTimes.now()
        log = self.directory / "logs" / "client.log"
        found = saturate(url, self.texts.texts, connections, self.plan.choices.seconds, log)
        busy = covariates(before, CpuTimes.now())
        self._finish(block, load, contender, {"result": asdict(found), "covariates": busy})
        return True

    def _open_loop(self, block: int, load: str, contender: str, url: str) -> bool:
        name = run_id(block, load, contender)
        folder = self.store.start(name)
        choices = self.plan.choices
        offered = Load(
            scenario=LOADS[load].scenario,
            rate_rps=self.plan.rate_rps(load),
            duration_s=self.plan.seconds_of(load),
            seed=self.plan.schedule_seed(load, block),
            timeout_s=choices.timeout_s,
            texts=self.texts_file,
        )
        before = CpuTimes.now()
        facts = run_load(offered, url, folder)
        busy = covariates(before, CpuTimes.now())
        gates = check_run(facts, read_records(folder / "records.parquet"))
        (folder / "load.json").unlink()  # its content is part of run.json
        content: dict[str, Any] = {
            "rate": offered.rate_rps,
            "duration_s": offered.duration_s,
            "timeout_s": offered.timeout_s,
            "seed": offered.seed,
            "generator": facts,
            "gates": [asdict(gate) for gate in gates],
            "covariates": busy,
        }
        self._write(folder, block, load, contender, content)
        if all(gate.passed for gate in gates):
            self.store.finish(name, folder)
            self._say(f"{name}: done")
            return True
        self.store.fail(block, load, name, folder)
        self._say(f"{name}: not driven as planned; the load is repeated in this block")
        return False

    def _finish(self, block: int, load: str, contender: str, content: dict[str, Any]) -> None:
        name = run_id(block, load, contender)
        folder = self.store.start(name)
        self._write(folder, block, load, contender, content)
        self.store.finish(name, folder)
        result = content.get("result")
        self._say(f"{name}: {result['rps']:.0f}/s" if result else f"{name}: {content['failed']}")

    def _write(
        self, folder: Path, block: int, load: str, contender: str, content: dict[str, Any]
    ) -> None:
        where = {
            "format": 1,
            "kind": "peers",
            "block": block,
            "scenario": load,
            "contender": contender,
            "attempt": self.store.attempts(block, load) + 1,
            "machine": self.machine,
        }
        write_json(folder / "run.json", where | content)

    def _say(self, line: str) -> None:
        done = len(list(self.store.runs.glob("b*")))
        self.console.print(f"[{done}/{self.plan.runs()}] {line}", markup=False, soft_wrap=True)
