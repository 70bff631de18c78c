"""Randomized blocks of disruptions: every variant meets the same fault under the same schedule."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.disruption_ledger import join, write_ledger
from analysis.fault_timeline import read_timeline
from analysis.gates import Gate, check_run
from analysis.records import Records
from analysis.runs import read_fields
from analysis.steady import loosened, steady_gates
from builder.build import Build
from builder.closed_loop import warm_up
from builder.disruption_plan import Plan
from builder.disruption_record import describe, timeline
from builder.experiment import WARM_UP_CONNECTIONS, WARM_UP_REQUESTS_PER_WORKER, WARM_UP_S
from builder.files import write_json
from builder.injection import Injection
from builder.load import Load
from builder.machine import machine_facts
from builder.measure import measure
from builder.plan import MOST_ATTEMPTS
from builder.progress import Progress
from builder.runs import RunStore, run_id
from deploy.disruptions._disruption import parse
from loadtests._texts import Texts

# A context manager whose target offers what the experiments need (deploy/disruptable.py).
Serve = Callable[[Build, Path], Any]


class DisruptionStore(RunStore):
    """Runs named by block, experiment and variant."""

    def _place(self, folder: Path) -> tuple[int, str, int]:
        run = read_fields(folder)
        experiment = run.child("disruption").text("experiment")
        return run.integer("block"), experiment, run.integer("attempt")


class Disruptions:
    """Runs what is missing of a plan; can be killed and started again at any time."""

    def __init__(
        self,
        plan: Plan,
        builds: Sequence[Build],
        texts: Texts,
        directory: Path,
        progress: Progress,
        serve: Serve,
    ) -> None:
        self.plan = plan
        self.builds = builds
        self.texts = texts
        self.directory = directory
        self.progress = progress
        self.serve = serve
        self.store = DisruptionStore(directory)
        self.machine = machine_facts()
        self.texts_file = directory / "texts.txt"
        self.texts_file.write_text("\n".join(texts.texts) + "\n", encoding="utf-8")

    def run(self) -> None:
        """Run every block that is not finished; one that keeps failing is given up."""
        pairs = [
            (block, experiment)
            for block in range(1, self.plan.choices.blocks + 1)
            for experiment in self.plan.experiment_order(block)
        ]
        names = [run_id(*pair, build.variant.spec) for pair in pairs for build in self.builds]
        self.progress.start(sum(map(self.store.finished, names)))
        for block, experiment in pairs:
            while self.store.attempts(block, experiment) < MOST_ATTEMPTS:
                if self._pass(block, experiment):
                    break

    def _pass(self, block: int, experiment: str) -> bool:
        """Every variant that is missing in a block; False if one failed and undid the block."""
        for order, position in enumerate(self.plan.variant_order(block, experiment)):
            build = self.builds[position]
            name = run_id(block, experiment, build.variant.spec)
            if not self.store.finished(name) and not self._measure(
                name, block, experiment, build, order
            ):
                return False
        return True

    def _measure(self, name: str, block: int, experiment: str, build: Build, order: int) -> bool:
        """One run on a target of its own; False if it failed a gate, and undid its block."""
        folder = self.store.start(name)
        log = self.directory / "logs" / f"{name}.log"
        with self.serve(build, log) as target:
            least = WARM_UP_REQUESTS_PER_WORKER * build.variant.workers * target.wanted
            warm_up(target.url, self.texts.texts, WARM_UP_CONNECTIONS, WARM_UP_S, least)
            wanted = target.wanted
            injection = Injection(
                parse(experiment),
                target,
                self.plan.fault_s(block, experiment),
                self.plan.victim_rng(block, experiment),
                judge=lambda records, at_s: self._steady(records, at_s, at_s),
            )
            during = injection.during(folder / "records.parquet")
            measured = measure(self._load(block, experiment), target, folder, during)
            told = timeline(
                injection.events,
                target.timeline(),
                wanted,
                measured.facts["origin_monotonic_s"],
            )
            served = target.served()
        write_json(folder / "timeline.json", told)
        if injection.events:
            _join(folder, measured.records, served)
        limit_s = self.plan.choices.slo.limit_s
        driven = [loosened(gate, limit_s) for gate in check_run(measured.facts, measured.records)]
        steady = injection.unsteady or self._steady(
            measured.records, _injected_s(told, injection.at_s), injection.at_s
        )
        gates = (*driven, *steady)
        attempt = self.store.attempts(block, experiment) + 1
        content = describe(self.plan, build, injection, measured, gates)
        content["machine"] = self.machine
        content |= {"id": name, "block": block, "order": order, "attempt": attempt}
        write_json(folder / "run.json", content)
        (folder / "load.json").unlink()  # its content is part of run.json
        what = "not steady, nothing injected" if injection.unsteady else "not driven as planned"
        return self._settle(name, block, experiment, folder, measured.records, gates, what)

    def _settle(
        self,
        name: str,
        block: int,
        experiment: str,
        folder: Path,
        records: Records,
        gates: Sequence[Gate],
        what: str,
    ) -> bool:
        """Keep a good run; set the whole block aside for one that failed a gate."""
        failed = [gate for gate in gates if not gate.passed]
        if not failed:
            self.store.finish(name, folder)
            self.progress.finished(name, records)
            return True
        undone = self.store.fail(block, experiment, name, folder)
        last = self.store.attempts(block, experiment) == MOST_ATTEMPTS
        self.progress.failed(name, failed, undone, len(self.builds) if last else 0, what)
        return False

    def _steady(self, records: Records, fault_s: float, planned_s: float) -> tuple[Gate, ...]:
        slo = self.plan.choices.slo
        return steady_gates(records, fault_s, planned_s, slo.quantile, slo.limit_s)

    def _load(self, block: int, experiment: str) -> Load:
        choices = self.plan.choices
        return Load(
            scenario=choices.scenario,
            rate_rps=self.plan.rate_rps,
            duration_s=choices.duration_s,
            seed=self.plan.schedule_seed(block, experiment),
            timeout_s=choices.timeout_s,
            texts=self.texts_file,
            resend=False,
        )


def _injected_s(told: Mapping[str, Any], planned_s: float) -> float:
    injected = [event["at_s"] for event in told["events"] if event["what"] == "injected"]
    return injected[0] if injected else planned_s


def _join(folder: Path, records: Records, served: Mapping[int, str]) -> None:
    """Write the ledger: every request beside the timeline, and the replica that had it."""
    had = [served.get(index) for index in range(len(records))]
    replica = np.array(had, dtype=object) if served else None
    write_ledger(folder, join(records, read_timeline(folder / "timeline.json"), replica))
