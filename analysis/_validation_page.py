"""The page that `python -m analysis.validation` writes: tables, and whether the bars are met."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from analysis.compare import ALPHA
from analysis.sequential import EXTRA_BLOCKS
from analysis.simulate import SPIKE, Queue
from analysis.trials import Rates, Stopped, binomial_limit

MARGIN = 0.03
EFFECT = 0.20
LEAST_COVERAGE = 0.93
MOST_OFF = 0.10  # between the power found and the power announced
QUIET = 0.1  # times the noise: with all of it, hardly an interval fits within the margin


@dataclass(frozen=True)
class Found:
    """A queue, a number of blocks, and what came of them."""

    queue: Queue
    blocks: int
    equal: Rates  # A/A, the cumulative family
    planted: Rates  # the first layer gains EFFECT on p95, the others nothing
    announced: float  # power by the planner, cumulative family
    pair: Rates  # the same effect, two variants only
    pair_announced: float
    at_margin: float  # comparisons called equivalent, every step truly at the margin
    at_margin_quiet: float  # the same with QUIET times the noise
    same_quiet: float  # every step truly equal, QUIET times the noise

    @property
    def off(self) -> float:
        """How far the announced power is from the one found, at most."""
        cumulative = abs(self.planted.improved - self.announced)
        return max(cumulative, abs(self.pair.improved - self.pair_announced))


@dataclass(frozen=True)
class Sequential:
    """A queue, a width asked for, and where that stopped the experiments."""

    queue: Queue
    contrasts: int
    width: float
    stopped: Stopped


@dataclass(frozen=True)
class Bar:
    """One promise, its figure in the worst setting, and whether it is kept."""

    promise: str
    worst: float
    met: bool


def bars(found: Sequence[Found], sequential: Sequence[Sequential]) -> tuple[Bar, ...]:
    """The promises of the method, each over every setting."""
    limit = binomial_limit(found[0].equal.experiments)
    single = binomial_limit(found[0].equal.experiments * 5)
    comparison = max(one.equal.comparison for one in found)
    family = max(one.equal.family for one in found)
    test = max(one.equal.test for one in found)
    coverage = min(min(one.equal.coverage, one.planted.coverage) for one in found)
    off = max(one.off for one in found)
    alike = max(max(one.at_margin, one.at_margin_quiet) for one in found)
    # The five comparisons of an experiment share variants: no more is counted on than one of them.
    alike_limit = binomial_limit(found[0].equal.experiments, ALPHA / 2)
    stopped = min(one.stopped.coverage for one in sequential)
    decided = max(one.stopped.family for one in sequential)
    top = f"at most {_percent(limit)} (5% and its binomial 99% band)"
    return (
        Bar(f"A/A comparisons decided: at most {_percent(single)}", comparison,
            comparison <= single),
        Bar(f"A/A families with a decided comparison: {top}", family, family <= limit),
        Bar(f"A/A families with a corrected p <= 5%: {top}", test, test <= limit),
        Bar("intervals that hold the p95 ratio: at least 93%", coverage,
            coverage >= LEAST_COVERAGE),
        Bar("power found and announced: at most 10 points apart", off, off <= MOST_OFF),
        Bar(f"comparisons at the margin called equivalent: at most {_percent(alike_limit)} (2.5% "
            "and its binomial 99% band)", alike, alike <= alike_limit),
        Bar("intervals after a stop by width: at least 93%", stopped, stopped >= LEAST_COVERAGE),
        Bar(f"A/A families decided after a stop by width: {top}", decided, decided <= limit),
    )  # fmt: skip


def page(
    found: Sequence[Found], sequential: Sequence[Sequential], seed: int, today: date
) -> tuple[str, bool]:
    """The page as Markdown, and whether every bar is met."""
    judged = bars(found, sequential)
    experiments = found[0].equal.experiments
    parts = (
        "# The statistics, put to the test",
        f"Written by `python -m analysis.validation --experiments {experiments} --seed {seed}` on "
        f"{today.isoformat()}; the same command gives the same figures. {experiments} simulated "
        "experiments per line.",
        _SETTING,
        _table(
            ("promise", "worst setting", "kept"),
            ((one.promise, _percent(one.worst), "yes" if one.met else "**no**") for one in judged),
        ),
        "## Equal variants",
        _EQUAL,
        _table(
            ("queue", "blocks", "comparisons decided", "families decided", "families with p ≤ 5%",
             "coverage"),
            (
                (_queue(one.queue), str(one.blocks), _percent(one.equal.comparison),
                 _percent(one.equal.family), _percent(one.equal.test),
                 _percent(one.equal.coverage))
                for one in found
            ),
        ),
        "## A planted effect",
        _PLANTED,
        _table(
            ("queue", "blocks", "found of 5 tests", "announced", "found of 1 test", "announced",
             "coverage"),
            (
                (_queue(one.queue), str(one.blocks), _percent(one.planted.improved),
                 _percent(one.announced), _percent(one.pair.improved),
                 _percent(one.pair_announced), _percent(one.planted.coverage))
                for one in found
            ),
        ),
        "## Differences as large as the margin",
        _AT_MARGIN,
        _table(
            ("queue", "blocks", "at the margin", "at the margin, quiet", "equal, quiet"),
            (
                (_queue(one.queue), str(one.blocks), _percent(one.at_margin),
                 _percent(one.at_margin_quiet), _percent(one.same_quiet))
                for one in found
            ),
        ),
        "## Stopping by width",
        _STOPPED,
        _table(
            ("queue", "contrasts", "width asked", "mean blocks", "as narrow in the end", "coverage",
             "families decided"),
            (
                (_queue(one.queue), str(one.contrasts), _percent(one.width),
                 f"{one.stopped.blocks:.1f}", _percent(one.stopped.narrow),
                 _percent(one.stopped.coverage), _percent(one.stopped.family))
                for one in sequential
            ),
        ),
    )  # fmt: skip
    return "\n\n".join(parts) + "\n", all(one.met for one in judged)


_SETTING = f"""\
A variant is a first-come-first-served queue with one server and lognormal service times (CV 0.3).
Arrivals are a stationary renewal process whose gaps have the CV given; a run holds as many requests
as a server of 80 requests/s gets in 20 s at the utilization given. In a block, all variants replay
the same arrivals. Servers differ from start to start by 5% (standard deviation of the log of the
speed); `noisy` means 15%, and that one run in seven is slowed {SPIKE:g}-fold by a neighbour. The
metric is p95, the margin {MARGIN:.0%}."""

_EQUAL = """\
Five variants that are the same: four steps and the total, the family that Holm corrects over. A
comparison is decided if its verdict is `improved` or `regressed`. Coverage is the share of
intervals that hold a ratio of 1."""

_PLANTED = f"""\
The first of four layers is served so much faster that its p95 gains {EFFECT:.0%}; the others do
nothing. Found: the verdict `improved` for that layer, in the family of five and alone. Announced:
what the planner foretells from the noise of the simulated queue. Coverage is that of all five
intervals; their truth is the centre of the simulated log ratios."""

_AT_MARGIN = f"""\
Every step truly gains the margin itself, {MARGIN:.0%}: the gains of the equal variants, shifted.
The share of comparisons that are called `equivalent` all the same, with the noise of the queue, and
with {QUIET:g} times it (quiet), where intervals are narrow enough to fit; beside it the same share
where the variants are truly equal. `equivalent` is a claim about one comparison: two one-sided
tests at 2.5% each, one for either edge of the margin, both of which must reject, so that nothing is
to be corrected within it (intersection-union; Berger & Hsu 1996, Statist. Sci. 11, 283-319). That
several comparisons are all equivalent needs no correction either; a claim that picks some does."""

_STOPPED = f"""\
Equal variants again. An experiment has at least 8 blocks and at most 28; it stops {EXTRA_BLOCKS}
blocks after every interval was as narrow as asked (half-width as a ratio). The width asked is the
median one at 16 blocks, so that some stop early by luck and some late."""


def _queue(queue: Queue) -> str:
    noisy = ", noisy" if queue.spike else ""
    return f"utilization {queue.utilization:g}, CV {queue.arrivals_cv:g}{noisy}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
