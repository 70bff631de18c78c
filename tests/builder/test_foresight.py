import pytest

from analysis.noise import Noise
from analysis.power import detectable_effect
from builder.aa_store import Aa
from builder.foresight import Foresight, blocks_for, detectable, family_of, foresee, in_words

NOISE = (Noise("steady", "p95", 8, 0.08, 0.02), Noise("bursty", "p95", 8, 0.2, 0.07))
AA = Aa("2026-11-22", "baseline", 8, 20.0, {"steady": 30.0, "bursty": 30.0}, NOISE)
RATES = {"steady": 30.0, "bursty": 30.0, "high_intensity": 54.0}


def test_an_aa_is_believed() -> None:
    found = foresee(("steady", "bursty"), RATES, 20.0, 60.0, AA)
    assert found == Foresight({"steady": 0.08, "bursty": 0.2}, "A/A of 2026-11-22", 0.07)


def test_an_aa_of_other_runs_says_so() -> None:
    found = foresee(("steady",), RATES, 5.0, 60.0, AA)
    assert found.source == "A/A of 2026-11-22 with 20 s runs"
    assert found.margin == 0.02


def test_what_the_aa_lacks_is_simulated_and_said() -> None:
    found = foresee(("steady", "high_intensity"), RATES, 20.0, 60.0, AA)
    assert found.noise_sd["steady"] == 0.08
    assert "simulated queue for high_intensity" in found.source


def test_without_an_aa_the_queue_is_simulated() -> None:
    found = foresee(tuple(RATES), RATES, 20.0, 60.0, None)
    assert found.margin == 0.0
    assert found.source.startswith("simulated queue") and "assumed" not in found.source
    assert found.noise_sd["high_intensity"] > found.noise_sd["steady"]
    assert found == foresee(tuple(RATES), RATES, 20.0, 60.0, None)
    longer = foresee(("steady",), RATES, 200.0, 60.0, None)
    assert longer.noise_sd["steady"] < found.noise_sd["steady"]
    overloaded = foresee(("steady",), {"steady": 90.0}, 5.0, 60.0, None)
    assert 0 < overloaded.noise_sd["steady"] < 5


def test_without_a_capacity_the_utilization_is_assumed_and_said() -> None:
    assert "assumed utilization of 70%" in foresee(("steady",), RATES, 20.0, None, None).source


def test_the_family_of_a_cumulative_ablation() -> None:
    assert [family_of(("a", "b", "c", "d", "e")[:n]) for n in (1, 2, 3, 5)] == [0, 1, 3, 5]


def test_effects_and_blocks_are_the_planners() -> None:
    foresight = Foresight({"steady": 0.08, "bursty": 0.2}, "test", 0.0)
    effects = detectable(foresight, 10, 5, 0.03)
    assert effects["bursty"] == detectable_effect(0.2, 10, 5, 0.03)
    blocks = blocks_for(0.25, foresight, 5, 0.03)
    found = detectable(foresight, blocks, 5, 0.03)
    assert all(effect is not None and effect <= 0.25 for effect in found.values())


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ({"steady": 0.141}, "detects 14% on p95"),
        ({"steady": 0.141, "bursty": 0.139}, "detects 14% on p95"),
        ({"steady": 0.141, "bursty": 0.312}, "detects on p95 14% (steady), 31% (bursty)"),
        ({"steady": None}, "cannot prove any effect: too few blocks for so many tests"),
    ],
)
def test_words(effects: dict[str, float | None], words: str) -> None:
    assert in_words(effects) == words
