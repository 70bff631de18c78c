from itertools import combinations

import pytest

from variants import _spec
from variants._design import DESIGNS, Design, designed, reading
from variants._errors import OptbuildError
from variants._layer import Layer
from variants._spec import cumulative, layer_name, layers_of


def specs(spec: str, design: Design) -> list[str]:
    return [variant.spec for variant in designed(spec, design)]


@pytest.mark.parametrize(
    ("design", "spec", "beside"),
    [
        ("cumulative", "onnx+quantized+batching", []),
        ("shapley", "onnx", []),
        ("shapley", "baseline", []),
        ("shapley", "onnx+quantized", []),  # quantized alone is no variant
        ("shapley", "onnx+batching=8", ["batching=8"]),
        ("shapley", "onnx+quantized+batching=8", ["batching=8", "onnx+batching=8"]),
        (
            "factorial",
            "workers=2+onnx+quantized",
            ["onnx", "onnx+quantized"],
        ),
    ],
)
def test_the_chain_comes_first_and_the_other_valid_subsets_follow(
    design: Design, spec: str, beside: list[str]
) -> None:
    assert specs(spec, design) == [one.spec for one in cumulative(spec)] + beside


def test_four_layers_are_measured_in_every_valid_subset() -> None:
    found = [layers_of(spec) for spec in specs("onnx+quantized+batching=8+workers=2", "shapley")]
    every = [
        set(some)
        for size in range(5)
        for some in combinations(["onnx", "quantized", "batching=8", "workers=2"], size)
        if "quantized" not in some or "onnx" in some
    ]
    assert len(found) == len(every) == 12
    assert all(one in every for one in found)


def test_above_four_layers_shapley_takes_each_first_and_last() -> None:
    spec = "onnx+quantized+threads=1+batching=8+workers=2"
    found = specs(spec, "shapley")
    assert found[:6] == [one.spec for one in cumulative(spec)]
    assert found[6:] == [
        "threads=1",  # each alone; quantized is first on top of onnx, which is on the chain
        "batching=8",
        "workers=2",
        "threads=1+batching=8+workers=2",  # without onnx there is no quantized
        "onnx+quantized+threads=1+workers=2",
        "onnx+quantized+batching=8+workers=2",
        "onnx+threads=1+batching=8+workers=2",  # without quantized; here onnx comes last
    ]
    assert len(specs(spec, "factorial")) == 24


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Seven layers without prerequisites."""
    layers = {name: Layer("service", name, lambda variant, values: variant) for name in "abcdefg"}
    monkeypatch.setattr(_spec, "layers", lambda: layers)
    monkeypatch.setattr("variants._design.layers", lambda: layers)
    return list(layers)


def test_without_prerequisites_first_and_last_costs_three_builds_a_layer(many: list[str]) -> None:
    for count in (5, 6, 7):
        assert len(specs("+".join(many[:count]), "shapley")) == 3 * count - 1


def test_a_factorial_of_too_many_layers_is_one_line_with_the_remedy(many: list[str]) -> None:
    assert len(specs("+".join(many[:6]), "factorial")) == 64
    with pytest.raises(OptbuildError, match=r"up to 128 .* at most 6 layers, or --design shapley"):
        designed("+".join(many), "factorial")


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_wants_prerequisites_first(design: Design) -> None:
    with pytest.raises(OptbuildError, match="put 'onnx' before 'quantized'"):
        designed("quantized+onnx", design)


def test_parameters_travel_with_their_layer() -> None:
    found = specs("onnx+batching:max=16,wait=5ms+workers=3", "factorial")
    assert "batching:max=16,wait=5ms+workers=3" in found
    assert {part for spec in found for part in layers_of(spec)} == {
        "onnx",
        "batching:max=16,wait=5ms",
        "workers=3",
    }


@pytest.mark.parametrize(
    ("spec", "layers"),
    [("baseline", set()), ("onnx", {"onnx"}), ("onnx+threads=2", {"onnx", "threads=2"})],
)
def test_the_layers_of_a_spec(spec: str, layers: set[str]) -> None:
    assert layers_of(spec) == layers


@pytest.mark.parametrize("part", ["batching", "batching=8", "batching:max=8,wait=1s"])
def test_the_name_of_a_layer(part: str) -> None:
    assert layer_name(part) == "batching"


def test_a_design_says_what_it_measures() -> None:
    assert reading("cumulative", 3) == "the layers one after the other"
    assert reading("shapley", 4) == reading("factorial", 4) == "every valid subset of 4 layers"
    assert reading("shapley", 5) == "each of 5 layers first and last"
    assert reading("factorial", 1) == "every valid subset of 1 layer"
