"""A/A: the same Bento as two variants, `a` and `b`, measured like any other two.

Whatever differs between them is noise: of the machine, of the servers' starts, of the queue.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from analysis.findings import find
from analysis.noise import Noise, noise_of
from analysis.power import POWER, detectable_effect
from builder.aa_store import Aa, keep
from builder.ablate import Options, measure
from builder.build import Build
from builder.build_all import build_all
from builder.model import resolve
from builder.places import Local
from builder.plan import DEFAULT_MARGIN
from variants._spec import compose

ARMS = ("a", "b")
BLOCKS = (4, 8, 10, 16, 20)
FAMILY = 5  # of an ablation of four layers: four steps and the total


def measure_aa(options: Options) -> tuple[Aa, bool]:
    """Run the A/A of `options.spec`, or what is missing of it; True if it was kept for planning.

    Raises OptbuildError as an ablation does.
    """
    variant, here = compose(options.spec), Local()
    here.require([variant])

    def build() -> Sequence[Build]:
        (found,) = build_all([variant], options.request)
        return [arm(found, name) for name in ARMS]

    measure(replace(options, foresee=False), ARMS, build, here)
    findings = find(options.directory)
    facts = [one.facts for one in findings.summaries]
    aa = Aa(
        date=facts[0].started_at[:10],
        spec=variant.spec,
        blocks=options.blocks or 0,
        duration_s=options.duration_s,
        rates_rps={one.scenario: one.rate for one in facts},
        noise=noise_of(findings),
        target=here.name,
    )
    return aa, keep(aa, resolve(options.request.model).digest)


def arm(build: Build, name: str) -> Build:
    """The same Bento under another name: run directories are named by their variant's spec.

    The layers are only a spelling and take no part in the variant's digest, so that the runs of
    both arms say that they served the same settings and the same Bento.
    """
    return replace(build, variant=replace(build.variant, layers=(name,)))


def margin_of(aa: Aa) -> float:
    """The margin of an ablation that plans by it and asks for no other."""
    return max(DEFAULT_MARGIN, aa.margin(tuple(aa.rates_rps)))


def aa_as_json(aa: Aa) -> dict[str, Any]:
    """The noise, and the smallest effects that numbers of blocks find (null: none)."""
    margin = margin_of(aa)
    return {
        **asdict(aa),
        "family": FAMILY,
        "margin": margin,
        "power": POWER,
        "detectable": [
            {
                "scenario": one.scenario,
                "metric": one.metric,
                "effects": {str(blocks): effect for blocks, effect in _effects(one, margin)},
            }
            for one in aa.noise
        ],
    }


def aa_lines(aa: Aa, kept: bool) -> list[str]:
    """The same as text."""
    margin = margin_of(aa)
    widest = max(len(one.scenario) for one in aa.noise)
    head = "".join(f"{blocks:>8}" for blocks in BLOCKS)
    lines = [
        f"A/A of {aa.spec}: {aa.blocks} blocks of {aa.duration_s:g} s, {aa.date}",
        f"smallest effect found with {POWER:.0%} probability by so many blocks (an ablation of "
        f"four layers, margin {margin:.1%}):",
        f"{'':{widest}}          {'noise':>7} {'95% interval':>15} {'shows':>7}{head}",
    ]
    for one in aa.noise:
        low, high = one.sd_interval()
        effects = "".join(f"{_effect(effect):>8}" for _, effect in _effects(one, margin))
        lines.append(
            f"{one.scenario:{widest}} {one.metric:8} {one.sd:7.1%} "
            f"{f'{low:.1%}–{high:.1%}':>15} {one.shown:7.1%}{effects}"
        )
    lines.append(
        f"ablations of this model at about these rates ({_rates(aa)}) plan by it from now on; "
        "another A/A replaces it"
        if kept
        else "too few blocks: not kept for planning; give --blocks 8 or more"
    )
    return lines


def _effects(noise: Noise, margin: float) -> list[tuple[int, float | None]]:
    return [(n, detectable_effect(noise.sd, n, FAMILY, margin)) for n in BLOCKS]


def _rates(aa: Aa) -> str:
    return ", ".join(f"{name} {rate:g}/s" for name, rate in aa.rates_rps.items())


def _effect(effect: float | None) -> str:
    return "–" if effect is None else f"{effect:.0%}"
