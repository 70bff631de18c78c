"""Runs the searches of a sweep: one visit of each variant in turn, each on a fresh server.

Each run is a block of its own: nothing is paired, and a run that fails a validity gate is repeated
alone, on the same schedule. A rate at which it keeps failing is the load generator's limit.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from analysis.capacity import Trial
from analysis.gates import check_run
from analysis.summary import summarize_records
from analysis.visits import Visits, read_plan, read_visits
from builder.build import Build
from builder.closed_loop import warm_up
from builder.experiment import (
    WARM_UP_CONNECTIONS,
    WARM_UP_REQUESTS_PER_WORKER,
    WARM_UP_S,
    Serve,
    serve_locally,
)
from builder.files import write_json
from builder.load import Load
from builder.machine import machine_facts
from builder.measure import Measured, measure, run_content
from builder.plan import MOST_ATTEMPTS
from builder.progress import Progress
from builder.runs import RunStore, run_id
from builder.search import Outcome, Visit, Walk, expected_visits
from builder.sweep_plan import SweepPlan
from loadtests._texts import Texts
from variants._errors import OptbuildError


class Sweeper:
    """Takes every search of a plan to its end; can be killed and started again at any time."""

    def __init__(
        self,
        plan: SweepPlan,
        builds: Sequence[Build],
        texts: Texts,
        folder: Path,
        progress: Progress,
        serve: Serve = serve_locally,
    ) -> None:
        self.plan = plan
        self.builds = {build.variant.spec: build for build in builds}
        self.texts = texts
        self.folder = folder
        self.progress = progress
        self.serve = serve
        self.store = RunStore(folder)
        self.machine = machine_facts()
        self.texts_file = folder / "texts.txt"
        self.texts_file.write_text("\n".join(texts.texts) + "\n", encoding="utf-8")
        repeats = plan.choices.repeats
        self.walks = {spec: Walk(plan.grid(spec), repeats) for spec in plan.choices.specs}
        self.made = self._made()

    def run(self) -> None:
        """Visit what the searches ask for until each has ended; finished runs are not run again."""
        self.progress.start(len(self.made))
        while waiting := [spec for spec, walk in self.walks.items() if walk.next is not None]:
            number = 1 + min(self.walks[spec].visits for spec in waiting)
            turn = [spec for spec in waiting if self.walks[spec].visits == number - 1]
            for position in self.plan.turn_order(number, len(turn)):
                spec = turn[position]
                walk = self.walks[spec]
                assert walk.next is not None
                walk.went(self._visit(spec, number, walk.next))

    def _made(self) -> dict[tuple[str, int], Trial]:
        """What finished runs came to. Raises OptbuildError if one of them cannot be read."""
        kept = read_plan(self.folder)
        visits = read_visits(self.folder, kept) if kept else Visits((), (), ())
        if visits.problems:
            raise OptbuildError(
                f"{visits.problems[0]}; the search cannot go on from there: remove that run's "
                "folder, and it is run again"
            )
        return {(one.spec, one.number): one.trial for one in visits.made}

    def _visit(self, spec: str, number: int, visit: Visit) -> Outcome:
        """What came of one visit; None if the generator failed its gates in every attempt."""
        rate = self.plan.grid(spec).rate_rps(visit.step)
        trial = self.made.get((spec, number))
        if trial is not None:
            if (trial.rate_rps, trial.role) != (rate, visit.role):
                raise OptbuildError(
                    f"visit {number} of {spec} in {self.store.runs} was at {trial.rate_rps:g}/s, "
                    f"but the search asks for {rate:g}/s: choose another --out"
                )
            return trial.meets
        block = self.plan.block(spec, number)
        while self.store.attempts(block, self.plan.choices.scenario) < MOST_ATTEMPTS:
            self._expect()
            met = self._attempt(spec, number, visit, rate)
            if met is not None:
                return met
        return None

    def _attempt(self, spec: str, number: int, visit: Visit, rate_rps: float) -> bool | None:
        """One run; None if it failed a gate."""
        choices, build = self.plan.choices, self.builds[spec]
        block = self.plan.block(spec, number)
        name = run_id(block, choices.scenario, spec)
        load = Load(
            scenario=choices.scenario,
            rate_rps=rate_rps,
            duration_s=choices.duration_s,
            seed=self.plan.schedule_seed(spec, number),
            timeout_s=choices.timeout_s,
            texts=self.texts_file,
        )
        with self.serve(build, self.folder / "logs" / f"{name}.log") as target:
            least = WARM_UP_REQUESTS_PER_WORKER * build.variant.workers
            warm_up(target.url, self.texts.texts, WARM_UP_CONNECTIONS, WARM_UP_S, least)
            partial = self.store.start(name)
            measured = measure(load, target, partial)
        gates = check_run(measured.facts, measured.records)
        attempt = self.store.attempts(block, choices.scenario) + 1
        content = run_content(measured, build, gates, self.plan.texts_source)
        content |= self._place(spec, number, visit)
        content |= {"id": name, "block": block, "attempt": attempt}
        write_json(partial / "run.json", content)
        (partial / "load.json").unlink()  # its content is part of run.json
        failed = [gate for gate in gates if not gate.passed]
        if failed:
            self.store.fail(block, choices.scenario, name, partial)
            self.progress.failed(name, failed, 0, given_up=attempt == MOST_ATTEMPTS)
            return None
        self.store.finish(name, partial)
        met = self._met(measured)
        told = f"{rate_rps:g}/s {'meets' if met else 'misses'} it ({visit.role})"
        self.progress.finished(name, measured.records, told)
        return met

    def _met(self, measured: Measured) -> bool:
        objective = self.plan.choices.objective
        load = measured.load
        return objective.met(
            summarize_records(measured.records, load.duration_s, load.timeout_s, objective.limit_s)
        )

    def _place(self, spec: str, number: int, visit: Visit) -> dict[str, object]:
        """What `run.json` says of the variant and of where in the sweep the run stands."""
        plan, choices, variant = self.plan, self.plan.choices, self.builds[spec].variant
        return {
            "variant": {
                "spec": spec,
                "digest": variant.digest,
                "step": choices.specs.index(spec),
                "added": None,
                "settings": variant.settings(),
            },
            "order": 0,
            "slo": {
                "quantile": choices.objective.quantile,
                "limit_s": choices.objective.limit_s,
            },
            "plan": {
                "digest": plan.digest,
                "specs": list(choices.specs),
                "scenarios": [choices.scenario],
                "blocks": choices.repeats,
                "margin": choices.resolution,
                "command": plan.command,
            },
            "capacity": {"baseline_rps": None},
            "machine": self.machine,
            "sweep": {"visit": number, **asdict(visit)},
        }

    def _expect(self) -> None:
        """Tell the progress bar how many runs it may become."""
        expected = expected_visits(self.plan.choices.repeats)
        self.progress.expect(
            sum(
                walk.visits if walk.next is None else max(expected, walk.visits + 1)
                for walk in self.walks.values()
            )
        )
