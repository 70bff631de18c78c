"""A comparison with other servers, from its options to its table."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from analysis.files import write_text
from builder import _peers_plan as plans
from builder import digests
from builder._peers_blocks import Blocks
from builder._peers_earlier import read_earlier, taken_over
from builder._peers_plan import Choices, Plan
from builder._peers_probe import Answers, Limit, limit, tune_limit
from builder._peers_script import Script, Settings, folder, read_script
from builder._peers_table import read_table
from builder._peers_target import peer_start
from builder._peers_tune import Tuned, conditions_of, tune
from builder._peers_venv import ensure_venv
from builder._peers_words import markdown, to_json
from builder.alone import alone
from builder.build import Build, Request
from builder.build_all import build_all
from builder.experiment import serve_locally
from builder.export import GRAPH
from builder.files import write_json
from builder.machine import machine_words
from builder.model import resolve
from deploy.local import require_no_deployment
from deploy.target import Target
from loadtests._texts import Texts, load_texts
from variants._errors import OptbuildError
from variants._spec import compose

TUNE_S = 3.0
LIMIT_S = 2.0
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Options:
    """What `python -m builder.peers` was given."""

    specs: tuple[str, ...]
    peers: tuple[str, ...]
    loads: tuple[str, ...]
    blocks: int
    seconds: float
    seed: int
    model: str | None
    texts: Path | None
    directory: Path
    venvs: Path
    resume: bool
    settings_of: tuple[Path, ...] = ()
    scripts: Path = field(default_factory=folder)  # the peers' files

    def script(self, peer: str) -> Script:
        """What a peer's file says at its top."""
        return read_script(self.scripts / f"{peer}.py")


def compare(options: Options, console: Console) -> str:
    """Install, tune, measure what is not finished yet, and write the table; returns it."""
    directory = options.directory
    require_no_deployment(map(compose, options.specs), remedy="drop them")
    with alone(directory):
        kept = plans.load(directory)
        if kept is not None and not options.resume:
            raise OptbuildError(
                f"{directory} holds a comparison: go on with --resume, or choose another --out"
            )
        earlier = read_earlier(options.settings_of) if kept is None else {}
        texts = load_texts(options.texts)
        choices = _choices(options, texts)
        if kept is not None:
            plans.require_same(choices, kept.choices)
            _require_same_servers(options, kept)
        variants = [compose(spec) for spec in choices.specs]
        builds = list(build_all(variants, Request(options.model)))
        graph = same_graph(builds)
        sources = builds[0].path / "src"
        scripts = map(options.script, options.peers)
        known = taken_over(earlier, graph, scripts, conditions_of(options.loads))
        pythons, broken = _install(options, kept, console)
        log = directory / "logs" / "limit.log"
        if kept is None:
            console.print("probing the in-process limit", markup=False)
            probe = tune_limit(sources, texts.texts, min(LIMIT_S, options.seconds), log)
            answers = probe.answers
            known = {peer: found for peer, found in known.items() if peer in pythons}
            others = {peer: python for peer, python in pythons.items() if peer not in known}
            tuned = known | _tune(options, others, sources, texts, answers, console)
            plan = _plan(options, choices, builds, graph, probe, tuned, broken, tuple(known))
            plans.save(plan, directory)
        else:
            plan = kept
            _, answers = limit(sources, texts.texts, [plan.limit_way], options.seconds, log)
        if (plan.tags, plan.graph_sha256) != (tuple(build.tag for build in builds), graph):
            raise OptbuildError(
                "the Bentos are no longer those that the comparison was started with: "
                "choose another --out"
            )
        console.print(
            f"{len(plan.contenders)} contenders, {plan.runs()} runs, about "
            f"{plan.estimated_s() / 60:.0f} min; the in-process limit is {plan.limit_rps:.0f}/s",
            markup=False,
        )
        ours = {build.variant.spec: build for build in builds}

        def serve(contender: str, settings: Settings, log: Path) -> Target:
            if contender in ours:
                return serve_locally(ours[contender], log)
            if contender not in pythons:
                raise OptbuildError(broken[contender], exit_code=1)
            start = peer_start(contender, pythons[contender], sources, log, options.scripts)
            return start(settings)

        Blocks(plan, sources, texts, answers, directory, console, serve).run()
        return write_table(plan, directory)


def write_table(plan: Plan, directory: Path) -> str:
    """Write `peers.md` and `peers.json` from the finished runs; returns the first."""
    table = read_table(plan, directory)
    text = markdown(plan, table)
    write_text(directory / "peers.md", text)
    write_json(directory / "peers.json", to_json(plan, table))
    return text


def same_graph(builds: Sequence[Build]) -> str:
    """Digest of the one model's files that all serve; raises OptbuildError if there is none.

    A comparison of servers on different graphs would be one of graphs.
    """
    found = {}
    for build in builds:
        folder = build.path / "src" / "model"
        if not (folder / GRAPH).exists():
            raise OptbuildError(f"'{build.variant.spec}' has no ONNX graph: add onnx to it")
        found[build.variant.spec] = digests.of_folder(folder)
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise OptbuildError(
                f"'{first}' and '{other}' serve different graphs: give specs that are all "
                "quantized, or none"
            )
    return found[first]


def _choices(options: Options, texts: Texts) -> Choices:
    return Choices(
        specs=tuple(dict.fromkeys(compose(spec).spec for spec in options.specs)),
        peers=options.peers,
        loads=options.loads,
        blocks=options.blocks,
        seconds=options.seconds,
        seed=options.seed,
        timeout_s=TIMEOUT_S,
        model=options.model,
        model_digest=resolve(options.model).digest,
        texts_sha256=texts.sha256,
    )


def _require_same_servers(options: Options, kept: Plan) -> None:
    """Raise OptbuildError if what is left to measure would not be what the plan says."""
    if kept.machine != (here := machine_words()):
        raise OptbuildError(
            f"the comparison was begun on another machine ({kept.machine}, not {here}): "
            "choose another --out"
        )
    for peer, before in kept.requirements.items():
        if before != options.script(peer).requirements:
            raise OptbuildError(
                f"{peer} has other versions than when the comparison was begun: "
                "choose another --out"
            )


def _install(
    options: Options, kept: Plan | None, console: Console
) -> tuple[dict[str, Path], dict[str, str]]:
    """The Python of each peer, or why there is none."""
    pythons, broken = {}, {}
    for peer in options.peers:
        if kept is not None and peer in kept.absent:
            continue
        console.print(f"{peer}: installing, unless it is there", markup=False)
        script = options.script(peer)
        try:
            pythons[peer] = ensure_venv(options.venvs.absolute() / peer, script.requirements)
        except OptbuildError as error:
            broken[peer] = str(error)
            console.print(f"{peer}: {error}", markup=False)
    return pythons, broken


def _tune(
    options: Options,
    pythons: dict[str, Path],
    sources: Path,
    texts: Texts,
    answers: Answers,
    console: Console,
) -> Tuned:
    tuned: Tuned = {}
    conditions = conditions_of(options.loads)
    for peer, python in pythons.items():
        peer_log = options.directory / "logs" / f"tune-{peer}.log"
        start = peer_start(peer, python, sources, peer_log, options.scripts)
        settings = options.script(peer).settings
        log = options.directory / "logs" / "client.log"
        seconds = min(TUNE_S, options.seconds)
        tuned[peer] = tune(start, settings, texts.texts, answers, seconds, log, conditions)
        for name, found in tuned[peer][1].items():
            shown = found
            if not isinstance(found, str):
                shown = ", ".join(f"{rps:.0f}/s {when}" for when, rps in found.items())
            console.print(f"{peer}: {name}: {shown}", markup=False, soft_wrap=True)
    return tuned


def _plan(
    options: Options,
    choices: Choices,
    builds: Sequence[Build],
    graph: str,
    probe: Limit,
    tuned: Tuned,
    broken: dict[str, str],
    taken_over: tuple[str, ...],
) -> Plan:
    absent = dict(broken)
    for peer, (best, found) in tuned.items():
        if best is None:
            absent[peer] = "; ".join(why for why in found.values() if isinstance(why, str))
    return Plan(
        choices=choices,
        machine=machine_words(),
        limit_way=probe.way,
        limit_probes=probe.probes,
        graph_sha256=graph,
        tags=tuple(build.tag for build in builds),
        requirements={peer: options.script(peer).requirements for peer in tuned},
        settings={peer: best for peer, (best, _) in tuned.items() if best is not None},
        probes={peer: found for peer, (_, found) in tuned.items()},
        absent=absent,
        taken_over=taken_over,
        command=shlex.join(["python", "-m", "builder.peers", *sys.argv[1:]]),
    )
