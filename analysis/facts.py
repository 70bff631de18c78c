"""What run.json says of a run, as frozen dataclasses (the file's own form: design.md)."""

from dataclasses import dataclass
from itertools import pairwise

from analysis._fields import Fields
from analysis.certificate import Certificate, parse_certificate, parse_gate
from analysis.gates import Gate
from analysis.server_use import ServerUse, parse_server_use
from variants._spec import layers_of

FORMAT = 1
LEAST = 1e-9  # of what must be above zero: dividing by less is a damaged file, not a measurement


@dataclass(frozen=True)
class Accuracy:
    """A share of right labels with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BatchInvariance:
    """Answers to texts in a batch with others, beside those to the same texts alone."""

    texts: int
    label_flips: int
    label_flip_rate: float
    largest_drift: float


@dataclass(frozen=True)
class Check:
    """How a build answers the golden set, beside the baseline."""

    golden_source: str
    golden_count: int
    labelled: int
    label_flips: int
    label_flip_rate: float
    max_probability_difference: float
    accuracy: Accuracy | None
    baseline_accuracy: Accuracy | None
    batch_invariance: BatchInvariance | None = None  # builds of before it was looked at have none
    served: BatchInvariance | None = None  # the same through the server


@dataclass(frozen=True)
class Plan:
    """The experiment a run belongs to; `specs` in the order of the ablation.

    `chain` are those that each add one layer to the one before: all of them unless `design` is
    shapley or factorial, which measure others beside it. Runs of before there were designs have
    neither field.
    """

    digest: str
    specs: tuple[str, ...]
    scenarios: tuple[str, ...]
    blocks: int
    margin: float
    command: str
    design: str
    chain: tuple[str, ...]
    until_width: float | None = None  # half-width (ratio - 1) at which it was to stop


@dataclass(frozen=True)
class Machine:
    """Where the run happened."""

    cpu_model: str
    isa: tuple[str, ...]
    cores: int
    memory_bytes: float
    kernel: str
    python: str
    libraries: tuple[tuple[str, str], ...]
    host: str | None = None  # a hash of its id; None: unknown, or of before it was recorded
    priority: str | None = None  # of the generator; None: of before it was recorded


@dataclass(frozen=True)
class RunFacts:
    """One run: `variant` under `scenario` in `block`; times in seconds, rates in requests/s."""

    id: str
    spec: str
    digest: str
    added: str | None
    settings: tuple[tuple[str, str], ...]
    bento: str
    model: str
    model_digest: str
    accuracy_meaningful: bool
    check: Check | None
    scenario: str
    seed: int
    rate: float
    cv: float
    duration_s: float
    timeout_s: float
    planned: int
    block: int
    order: int
    attempt: int
    schedule_sha256: str
    texts_source: str
    slo_quantile: str
    slo_limit_s: float
    plan: Plan
    baseline_rps: float | None
    machine: Machine
    steal_fraction: float | None
    cpu_pressure_avg10: float | None
    load1: float | None
    generator_cpu: float | None
    gates: tuple[Gate, ...]
    valid: bool
    started_at: str
    certificate: Certificate | None = None
    server: ServerUse | None = None
    target: str | None = None  # where the server ran: local, docker, k3s
    texts_sha256: str | None = None


def parse_facts(fields: Fields) -> RunFacts:
    """The facts of one run.json; OptbuildError naming the file and the field that is wrong."""
    if fields.integer("format") > FORMAT:
        raise fields.wrong("format", f"{FORMAT}, the newest this version reads; upgrade optbuild")
    if fields.integer("format") != FORMAT:
        raise fields.wrong("format", f"{FORMAT}, the one this version reads")
    variant, model, slo = fields.child("variant"), fields.child("model"), fields.child("slo")
    generator = fields.child("generator")
    covariates = fields.maybe_child("covariates") or Fields({}, fields.file)
    capacity = fields.maybe_child("capacity")
    check, target = fields.maybe_child("check"), fields.maybe_child("target")
    return RunFacts(
        id=fields.text("id"),
        spec=variant.text("spec"),
        digest=variant.text("digest"),
        added=variant.maybe_text("added"),
        settings=variant.pairs("settings"),
        bento=fields.text("bento"),
        model=model.text("name"),
        model_digest=model.text("digest"),
        accuracy_meaningful=model.flag("accuracy_meaningful"),
        check=None if check is None else _check(check),
        scenario=fields.text("scenario"),
        seed=fields.integer("seed"),
        rate=fields.number("rate"),
        cv=fields.number("cv"),
        duration_s=_positive(fields, "duration_s"),
        timeout_s=_positive(generator, "timeout_s"),
        planned=generator.integer("planned"),
        block=fields.integer("block"),
        order=fields.integer("order"),
        attempt=fields.integer("attempt"),
        schedule_sha256=fields.text("schedule_sha256"),
        texts_source=fields.child("texts").text("source"),
        slo_quantile=slo.text("quantile"),
        slo_limit_s=_positive(slo, "limit_s"),
        plan=_plan(fields.child("plan")),
        baseline_rps=None if capacity is None else capacity.maybe_number("baseline_rps"),
        machine=_machine(fields.child("machine")),
        steal_fraction=covariates.maybe_number("steal_fraction"),
        cpu_pressure_avg10=covariates.maybe_number("cpu_pressure_avg10"),
        load1=covariates.maybe_number("load1"),
        generator_cpu=generator.maybe_number("generator_cpu"),
        gates=tuple(parse_gate(one) for one in fields.children("gates")),
        valid=fields.flag("valid"),
        started_at=fields.text("started_at"),
        certificate=parse_certificate(generator.maybe_child("certificate")),
        server=parse_server_use(fields.maybe_child("server")),
        target=None if target is None else target.text("name"),
        texts_sha256=fields.child("texts").maybe_text("sha256"),
    )


def _positive(fields: Fields, key: str) -> float:
    value = fields.number(key)
    if value < LEAST:
        raise fields.wrong(key, "above zero")
    return value


def _accuracy(fields: Fields | None) -> Accuracy | None:
    if fields is None:
        return None
    return Accuracy(fields.number("value"), fields.number("low"), fields.number("high"))


def _check(fields: Fields) -> Check:
    golden = fields.child("golden")
    return Check(
        golden_source=golden.text("source"),
        golden_count=golden.integer("count"),
        labelled=golden.integer("labelled"),
        label_flips=fields.integer("label_flips"),
        label_flip_rate=fields.number("label_flip_rate"),
        max_probability_difference=fields.number("max_probability_difference"),
        accuracy=_accuracy(fields.maybe_child("accuracy")),
        baseline_accuracy=_accuracy(fields.maybe_child("baseline_accuracy")),
        batch_invariance=_invariance(
            fields.maybe_child("batch_invariance") or fields.maybe_child("company")  # older builds
        ),
        served=_invariance(fields.maybe_child("served")),
    )


def _invariance(fields: Fields | None) -> BatchInvariance | None:
    if fields is None:
        return None
    return BatchInvariance(
        fields.integer("texts"),
        fields.integer("label_flips"),
        fields.number("label_flip_rate"),
        fields.number("largest_drift"),
    )


def _plan(fields: Fields) -> Plan:
    specs = fields.texts("specs")
    if not specs or len(set(specs)) < len(specs):
        raise fields.wrong("specs", "a list with at least one variant, each once")
    design = fields.text("design", "cumulative")
    chain = fields.texts("chain") if "chain" in fields else specs
    if design != "cumulative" and not _walks(chain, specs):
        raise fields.wrong("chain", "the plan's variants from no layer to all, one more each time")
    return Plan(
        digest=fields.text("digest"),
        specs=specs,
        scenarios=fields.texts("scenarios"),
        blocks=fields.integer("blocks"),
        margin=_positive(fields, "margin"),
        command=fields.text("command"),
        design=design,
        chain=chain,
        until_width=fields.maybe_number("until_width"),
    )


def _walks(chain: tuple[str, ...], specs: tuple[str, ...]) -> bool:
    """Whether `chain`, out of `specs`, goes from no layer to every layer of theirs, one by one."""
    sets = [layers_of(spec) for spec in chain]
    return (
        len(chain) > 0
        and set(chain) <= set(specs)
        and [len(one) for one in sets] == list(range(len(chain)))
        and all(before < after for before, after in pairwise(sets))
        and all(layers_of(spec) <= sets[-1] for spec in specs)
    )


def _machine(fields: Fields) -> Machine:
    return Machine(
        cpu_model=fields.text("cpu_model"),
        isa=fields.texts("isa"),
        cores=fields.integer("cores"),
        memory_bytes=fields.number("memory_bytes"),
        kernel=fields.text("kernel"),
        python=fields.text("python"),
        libraries=fields.pairs("libraries"),
        host=fields.maybe_text("host"),
        priority=fields.maybe_text("priority"),
    )
