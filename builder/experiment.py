"""Randomized complete blocks: every variant replays the same schedule, in random order.

A block is one schedule, replayed by every variant. Blocks with the same number but of different
scenarios share their servers: each variant gets one fresh server per block number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from analysis.gates import Gate, check_run
from analysis.runs import load_runs, read_facts
from analysis.sequential import WidthRule
from builder.build import Build
from builder.closed_loop import warm_up
from builder.files import write_json
from builder.load import Load
from builder.machine import machine_facts
from builder.measure import Measured, measure, run_content
from builder.plan import MOST_ATTEMPTS, Plan
from builder.progress import Progress
from builder.runs import RunStore, run_id
from deploy.local import Server
from deploy.target import Target
from loadtests._calm import goes_first
from loadtests._texts import Texts

WARM_UP_CONNECTIONS = 4
WARM_UP_S = 2.0
# BentoML's batcher estimates its costs from the first 11 dispatches of a worker.
WARM_UP_REQUESTS_PER_WORKER = 16


@dataclass(frozen=True)
class Step:
    """One variant of the ablation and the layer that it adds to the one before.

    `added` is None for the baseline and for a variant that is not on the cumulative chain.
    """

    number: int
    build: Build
    added: str | None

    @property
    def spec(self) -> str:
        """Canonical spec of the variant."""
        return self.build.variant.spec


def steps_of(builds: Sequence[Build]) -> list[Step]:
    """Steps of an ablation: the cumulative chain up to the full variant, then what is beside it."""
    steps = [Step(0, builds[0], None)]
    chain_end = max(len(build.variant.layers) for build in builds)
    for number, (before, build) in enumerate(pairwise(builds), start=1):
        added = None
        if number <= chain_end:
            (added,) = set(build.variant.layers) - set(before.variant.layers)
        steps.append(Step(number, build, added))
    return steps


Serve = Callable[[Build, Path], Target]
TargetFacts = Callable[[Build], Mapping[str, Any]]  # what `run.json` says of a build's target


def facts_of_local(build: Build) -> Mapping[str, Any]:
    """Of a process on this machine there is no more to say."""
    return {"name": "local"}


def serve_locally(build: Build, log: Path) -> Target:
    """The target of an experiment on this machine, which it shares with the generator.

    The generator goes first: a late send is an error of measurement, a late answer is a result.
    Where it cannot by itself, the server gives way, which is the same for every variant but not
    what it would do in production: then its own threads do not preempt each other either.
    """
    return Server(build.path, log, background=not goes_first())


class ReportedStore(RunStore):
    """Runs that a report must be able to read: what it would leave out is not finished."""

    def _place(self, folder: Path) -> tuple[int, str, int]:
        facts = read_facts(folder)
        return facts.block, facts.scenario, facts.attempt


class Experiment:
    """Runs what is missing of a plan; can be killed and started again at any time."""

    def __init__(
        self,
        plan: Plan,
        builds: Sequence[Build],
        texts: Texts,
        directory: Path,
        progress: Progress,
        serve: Serve = serve_locally,
        target_facts: TargetFacts = facts_of_local,
    ) -> None:
        self.plan = plan
        self.steps = steps_of(builds)
        self.texts = texts
        self.directory = directory
        self.progress = progress
        self.serve = serve
        self.target_facts = target_facts
        self.store = ReportedStore(directory)
        self.machine = machine_facts()
        width = plan.choices.until_width
        self.width_rule = None if width is None else WidthRule(width)
        self.texts_file = directory / "texts.txt"
        self.texts_file.write_text("\n".join(texts.texts) + "\n", encoding="utf-8")

    def run(self) -> None:
        """Run every block that is not finished; a block that keeps failing is given up.

        A plan that stops by the width of its intervals decides after each block, and a resumed one
        decides the same from the runs that it finds.
        """
        numbers = range(1, self.plan.choices.blocks + 1)
        self.progress.start(sum(self._finished(number) for number in numbers))
        for number in numbers:
            while self._pending(number):
                self._pass(number)
            if self._narrow_enough(number):
                self.progress.enough(number)
                return

    def _narrow_enough(self, block: int) -> bool:
        rule = self.width_rule
        if rule is None or block < rule.first_block or block == self.plan.choices.blocks:
            return False
        return rule.enough(load_runs(self.directory), block)

    def _finished(self, block: int) -> int:
        scenarios = self.plan.choices.scenarios
        names = [run_id(block, scenario, s.spec) for scenario in scenarios for s in self.steps]
        return sum(map(self.store.finished, names))

    def _pending(self, block: int) -> list[str]:
        """Scenarios with runs to do, in this block's order; not those that were given up."""
        return [
            scenario
            for scenario in self.plan.scenario_order(block)
            if self.store.attempts(block, scenario) < MOST_ATTEMPTS
            and not all(self.store.finished(run_id(block, scenario, s.spec)) for s in self.steps)
        ]

    def _pass(self, block: int) -> None:
        """Every variant once, each on a fresh server, through the scenarios that are pending.

        A scenario whose run fails a gate is left out of the rest of the pass: its block is to be
        repeated as a whole, and the next pass does that.
        """
        pending = self._pending(block)
        for order, position in enumerate(self.plan.variant_order(block)):
            step = self.steps[position]
            missing = [
                scenario
                for scenario in pending
                if not self.store.finished(run_id(block, scenario, step.spec))
            ]
            if not missing:
                continue
            log = self.directory / "logs" / f"b{block:03d}-{step.spec}.log"
            with self.serve(step.build, log) as target:
                variant = step.build.variant
                least = WARM_UP_REQUESTS_PER_WORKER * variant.workers * variant.replicas
                warm_up(target.url, self.texts.texts, WARM_UP_CONNECTIONS, WARM_UP_S, least)
                for scenario in missing:
                    # What the last scenario gave up on may still stand in the server's queue.
                    warm_up(target.url, self.texts.texts, WARM_UP_CONNECTIONS, 0.0, least)
                    if not self._measure(block, scenario, step, order, target):
                        pending.remove(scenario)

    def _measure(self, block: int, scenario: str, step: Step, order: int, target: Target) -> bool:
        """One run; False if it failed a gate, and its whole block has been set aside."""
        name = run_id(block, scenario, step.spec)
        folder = self.store.start(name)
        choices = self.plan.choices
        load = Load(
            scenario=scenario,
            rate_rps=self.plan.rates_rps[scenario],
            duration_s=choices.duration_s,
            seed=self.plan.schedule_seed(scenario, block),
            timeout_s=choices.timeout_s,
            texts=self.texts_file,
        )
        measured = measure(load, target, folder)
        gates = check_run(measured.facts, measured.records, screening=choices.screening)
        attempt = self.store.attempts(block, scenario) + 1
        content = self._describe(step, measured, gates)
        content |= {"id": name, "block": block, "order": order, "attempt": attempt}
        write_json(folder / "run.json", content)
        (folder / "load.json").unlink()  # its content is part of run.json
        failed = [gate for gate in gates if not gate.passed]
        if failed:
            undone = self.store.fail(block, scenario, name, folder)
            given_up = len(self.steps) if attempt == MOST_ATTEMPTS else 0
            self.progress.failed(name, failed, undone, given_up)
            return False
        self.store.finish(name, folder)
        self.progress.finished(name, measured.records)
        return True

    def _describe(self, step: Step, measured: Measured, gates: Sequence[Gate]) -> dict[str, Any]:
        """Everything of `run.json` that does not say where in the experiment the run stands."""
        plan, choices, build = self.plan, self.plan.choices, step.build
        return run_content(measured, build, gates, plan.texts_source) | {
            "variant": {
                "spec": step.spec,
                "digest": build.variant.digest,
                "step": step.number,
                "added": step.added,
                "settings": build.variant.settings(),
            },
            "target": dict(self.target_facts(build)),
            "slo": asdict(choices.slo),
            "plan": {
                "digest": plan.digest,
                "specs": list(choices.specs),
                "scenarios": list(choices.scenarios),
                "blocks": choices.blocks,
                "margin": plan.margin,
                "until_width": choices.until_width,
                "command": plan.command,
                "design": choices.design,
                "chain": list(choices.chain),
            },
            "capacity": {"baseline_rps": plan.capacity_rps},
            "machine": self.machine,
        }
