"""The facts around the numbers: machine, traffic, how sure, what was left out."""

from dataclasses import dataclass, replace

import numpy as np

from analysis import words
from analysis.answer import JUDGED, judged_cells
from analysis.compare import ALPHA
from analysis.facts import RunFacts
from analysis.findings import Findings
from analysis.material import Material
from analysis.verdicts import left_out_note


@dataclass(frozen=True)
class Context:
    """Short texts for the head and the foot of a report."""

    title: str
    subtitle: str
    traffic: tuple[str, ...]  # one line per scenario
    machine: tuple[tuple[str, str], ...]
    libraries: str
    reproduce: tuple[str, ...]
    warnings: tuple[str, ...]
    method: tuple[str, ...]


def context(material: Material, findings: Findings) -> Context:
    """Everything from the first run of the plan; differences between runs become warnings."""
    facts = findings.summaries[0].facts
    plan = findings.runs.plan
    specs, runs = len(findings.runs.specs), len(findings.summaries)
    return Context(
        title=f"What each layer brings to {_named(facts.model)}",
        subtitle=(
            f"{words.plural(specs, 'variant')}, {words.plural(runs, 'run')}, "
            f"{facts.started_at[:10]}, {facts.machine.cpu_model}, "
            f"{words.plural(facts.machine.cores, 'core')}; SLO {facts.slo_quantile} < "
            f"{words.duration(facts.slo_limit_s)}"
        ),
        traffic=tuple(_traffic(findings, scenario) for scenario in findings.runs.scenarios),
        machine=_machine(findings, facts),
        libraries=", ".join(f"{name} {version}" for name, version in facts.machine.libraries),
        reproduce=(plan.command, f"optbuild report {findings.runs.directory.name or '.'}"),
        warnings=warnings_of(material, findings),
        method=_method(findings),
    )


def _named(model: str) -> str:
    return "the bundled model" if model == "bundled" else model


def _traffic(findings: Findings, scenario: str) -> str:
    runs = [one for one in findings.summaries if one.facts.scenario == scenario]
    facts = runs[0].facts
    blocks = len({one.facts.block for one in runs})
    requests = sorted({one.summary.n for one in runs})
    many = f"{requests[0]}–{requests[-1]}" if len(requests) > 1 else f"{requests[0]}"
    return (
        f"{scenario}: {words.factor(facts.rate)} requests/s, CV {facts.cv:g}, "
        f"{facts.duration_s:g} s, {words.plural(blocks, 'block')}, {many} requests a run"
    )


def _machine(findings: Findings, facts: RunFacts) -> tuple[tuple[str, str], ...]:
    machine = facts.machine
    rows = [
        ("CPU", f"{machine.cpu_model}, {words.plural(machine.cores, 'core')}"),
        ("Instructions", ", ".join(machine.isa) or "–"),
        ("Memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
        ("Kernel", machine.kernel),
        ("Python", machine.python),
        ("Model", f"{facts.model} ({facts.model_digest[:12]})"),
        ("Texts", facts.texts_source),
    ]
    if facts.baseline_rps is not None:
        rows.append(("Capacity of the first variant", f"{facts.baseline_rps:.1f} requests/s"))
    every = [one.facts for one in findings.summaries]
    steal = [one.steal_fraction for one in every if one.steal_fraction is not None]
    pressure = [one.cpu_pressure_avg10 for one in every if one.cpu_pressure_avg10 is not None]
    cpu = [one.generator_cpu for one in every if one.generator_cpu is not None]
    if steal:
        told = f"median {words.percent(float(np.median(steal)))}, most {words.percent(max(steal))}"
        rows.append(("CPU steal over runs", told))
    if pressure:
        told = f"median {np.median(pressure):.1f}%, most {max(pressure):.1f}%"
        rows.append(("CPU pressure over runs", told))
    if cpu:
        rows.append(("CPU of the load generator", f"at most {words.percent(max(cpu))} of a core"))
    return tuple(rows)


def warnings_of(material: Material, findings: Findings) -> tuple[str, ...]:
    """What is missing or mixed, beginning with what could not be read."""
    runs, plan = findings.runs, findings.runs.plan
    # Relative: the page is for sharing, where it was made is nobody's business.
    notes = [problem.replace(f"{runs.directory}/", "") for problem in material.warnings]
    for spec in plan.specs:
        if spec not in runs.specs:
            notes.append(f"{spec}: planned, but it has no run")
    for scenario in plan.scenarios:
        blocks = {one.facts.block for one in findings.summaries if one.facts.scenario == scenario}
        if len(blocks) < plan.blocks and plan.until_width is None:
            notes.append(f"{scenario}: {len(blocks)} of {plan.blocks} planned blocks have runs")
    if left_out := left_out_note(findings):
        notes.append(f"blocks that lack one of the two variants: {left_out}")
    machines = {one.facts.machine for one in findings.summaries}
    known = {machine.host for machine in machines} - {None}  # older runs do not say
    if len(known) > 1 or len({replace(machine, host=None) for machine in machines}) > 1:
        notes.append("the runs come from machines or library versions that differ")
    if len({one.facts.slo_limit_s for one in findings.summaries}) > 1:
        notes.append("the runs were judged by different SLO limits")
    return tuple(notes)


def _method(findings: Findings) -> tuple[str, ...]:
    margin = words.percent(findings.runs.plan.margin, 0)
    family = max((one.family for one in findings.comparisons), default=0)
    badges = max((one.family for own in judged_cells(findings).values() for one in own), default=0)
    return (
        "The unit is the run, never the request: in a block every variant replays the same "
        "schedule, and a comparison takes the ratio of two runs of a block. Each variant has a "
        "fresh server for each block number, which the scenarios share in a random order.",
        "Latency counts from the planned send time. A failure (timeout, reset, rejected, "
        "unavailable, wrong) ranks slower than every success, at least at the timeout. A quantile "
        "that lies among failures is known from below only: an effect on it says at least, decides "
        "in that direction alone, and is none where both variants have such a quantile.",
        "Goodput counts right answers within the SLO's limit.",
        "The effect is the Hodges-Lehmann estimate of the log ratios; its interval is the exact "
        "signed-rank interval, with the level it really attains. It covers the variation between "
        "blocks on this machine, not other machines or days.",
        f"p is the exact sign-flip test, corrected by Holm over the family of one scenario and "
        f"metric: the steps and the total, {family} tests. That of a cell is not corrected across "
        "scenarios and metrics: the more of them a claim picks from, the weaker it is. The badges "
        "at the top and the line that sums them up do pick: for them step-down maxT (Westfall and "
        "Young), which flips all cells of a block together, corrects over all steps, loads and "
        f" {words.listed(JUDGED)} together, {badges} tests.",
        f"improved / regressed: the whole interval is beyond the margin of {margin}, and p <= "
        f"{words.percent(ALPHA, 0)}. equivalent: the whole interval lies within the margin, at a "
        f"level of at least {words.percent(1 - ALPHA, 0)}: a claim about that one comparison, two "
        "one-sided tests at 2.5% each, which nothing is to be corrected for. inconclusive: "
        "everything else; an arrow says that every block was beyond the margin on that side.",
        "The margin is --margin, or what the last A/A of the machine showed on p95 if that is "
        "more; it is the same for every metric.",
        "p99 is given only for runs of at least 1000 requests.",
        *_stopping(findings),
    )


def _stopping(findings: Findings) -> tuple[str, ...]:
    plan = findings.runs.plan
    if plan.until_width is None:
        return ()
    return (
        f"The blocks were to end, at the latest after {plan.blocks}, once every p95 interval was "
        f"within {words.percent(plan.until_width)} of its middle: by their width, never by a p.",
    )
