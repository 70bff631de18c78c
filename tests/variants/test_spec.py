import pytest
from hypothesis import given
from hypothesis import strategies as st

from variants._errors import OptbuildError
from variants._layer import LEVELS
from variants._spec import bento_variant, compose, cumulative, layers


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("baseline", "baseline"),
        (" onnx + batching ", "onnx+batching"),
        ("batching+onnx", "onnx+batching"),
        ("batching=32+onnx", "onnx+batching"),
        ("workers", "workers=2"),
        ("threads", "threads"),
        ("batching:wait=10000ms,max=8", "batching=8"),
        ("batching:wait=0.5s", "batching:wait=500ms"),
        ("replicas+onnx", "onnx+replicas=2"),
        ("quantized=dynamic+onnx", "onnx+quantized"),
        ("quantized:scales=static+onnx", "onnx+quantized=static"),
        ("limits", "limits:cpu=1,memory=1Gi"),
        ("limits:memory=1.5Gi,cpu=0.5", "limits:cpu=500m,memory=1536Mi"),
        ("limits:cpu=1500m,memory=1G", "limits:cpu=1500m,memory=1000000000"),
        (
            "workers=2+onnx+quantized+batching:max=16,wait=10ms+threads=2",
            "onnx+quantized+threads=2+batching:max=16,wait=10ms+workers=2",
        ),
    ],
)
def test_a_spec_has_one_canonical_spelling(spec: str, canonical: str) -> None:
    assert compose(spec).spec == canonical
    assert compose(canonical) == compose(spec)


def test_the_baseline_is_torch_alone() -> None:
    baseline = compose("baseline")
    assert (baseline.runtime, baseline.workers, baseline.max_batch_size) == ("torch", 1, None)
    assert (baseline.threads, baseline.quantization) == (None, None)


def test_each_layer_changes_the_settings() -> None:
    settings = compose("onnx+quantized+threads=3+batching=8+workers=4").settings()
    assert settings == {
        "runtime": "onnx",
        "quantization": "int8",
        "threads": 3,
        "max_batch_size": 8,
        "max_batch_wait_s": 10.0,
        "workers": 4,
        "lean": False,
        "lanes": None,
        "max_batch_tokens": None,
        "deadline_s": None,
    }


def test_how_activations_are_scaled_is_part_of_the_settings() -> None:
    assert compose("onnx+quantized=static").quantization == "int8-static"
    assert compose("onnx+quantized=dynamic") == compose("onnx+quantized")


def test_deployment_layers_change_the_variant_but_not_its_bento() -> None:
    plain, deployed = compose("onnx"), compose("onnx+replicas=3+limits:cpu=1500m,memory=512Mi")
    assert (deployed.replicas, deployed.cpu_limit) == (3, 1.5)
    assert deployed.memory_limit_bytes == 512 * 2**20
    assert deployed.digest != plain.digest
    assert deployed.settings()["replicas"] == 3
    assert bento_variant(deployed) == plain
    assert bento_variant(plain) == plain


def test_one_replica_without_limits_is_what_there_is_without_the_layer() -> None:
    assert compose("onnx+replicas=1").digest == compose("onnx").digest


def test_equal_settings_have_equal_digests_and_others_do_not() -> None:
    assert compose("onnx+batching").digest == compose("batching=32+onnx").digest
    specs = [
        "baseline",
        "onnx",
        "onnx+quantized",
        "onnx+quantized=static",
        "batching",
        "batching=16",
        "threads",
        "threads=1",
    ]
    assert len({compose(spec).digest for spec in specs}) == len(specs)


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ("onx", "did you mean 'onnx'"),
        ("zzz", "known: bf16, onnx"),
        ("", "as in onnx+batching"),
        ("onnx+", "as in onnx+batching"),
        ("onnx+onnx", "keep one"),
        ("workers=1+workers=2", "keep one"),
        ("baseline+onnx", "use it alone"),
        ("quantized", "write onnx+quantized"),
        ("onnx+bf16", "are both a runtime: keep one"),
        ("onnx=3", "write just 'onnx'"),
        ("threads=0", "from 1 to 256"),
        ("threads=-1", "a whole number"),
        ("threads=1.5", "a whole number"),
        ("threads=١", "a whole number"),
        ("workers=99999999999999999999", "a whole number"),
        ("onnx+quantized=statc", "takes dynamic or static for 'scales', not 'statc'"),
        ("onnx+quantized=1", "takes dynamic or static"),
        ("onnx+quantized=", "takes dynamic or static"),
        ("batching=1", "from 2 to 1024"),
        ("batching:wait=10", "such as 10ms"),
        ("batching:wait=2m", "such as 10ms"),
        ("batching:wait=61s", "from 1ms to 60s"),
        ("replicas=0", "from 1 to 64"),
        ("replicas=2Gi", "a whole number"),
        ("limits:cpu=0.01", "from 100m to 256"),
        ("limits:cpu=one", "such as 500m"),
        ("limits:cpu=0.0005", "such as 500m"),
        ("limits:memory=1GB", "such as 512Mi"),
        ("limits:memory=1g", "such as 512Mi"),
        ("limits:memory=64Mi", "from 128Mi to 1024Gi"),
        ("limits:memory=0.3", "such as 512Mi"),
        ("limits:disk=1Gi", "known: cpu, memory"),
        ("batching:mx=3", "did you mean 'max'"),
        ("batching:max=3,max=4", "keep one"),
        ("batching:max", "key=value"),
    ],
)
def test_what_is_no_variant_is_refused_with_the_remedy(spec: str, remedy: str) -> None:
    with pytest.raises(OptbuildError, match=remedy.replace("+", r"\+")) as caught:
        compose(spec)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_an_ablation_adds_the_layers_in_the_order_given() -> None:
    walked = [variant.spec for variant in cumulative("batching+onnx+quantized")]
    assert walked == ["baseline", "batching", "onnx+batching", "onnx+quantized+batching"]


def test_an_ablation_wants_prerequisites_first() -> None:
    with pytest.raises(OptbuildError, match="put 'onnx' before 'quantized'"):
        cumulative("quantized+onnx")


def test_layers_come_by_level_and_say_what_they_take() -> None:
    levels = [LEVELS.index(layer.level) for layer in layers().values()]
    assert levels == sorted(levels)
    assert list(layers())[:3] == ["bf16", "onnx", "quantized"]
    for layer in layers().values():
        assert layer.summary
        for parameter in layer.parameters:
            assert parameter.minimum < parameter.maximum
            assert parameter.help


@given(st.text(max_size=40))
def test_any_text_is_a_variant_or_one_line(text: str) -> None:
    try:
        compose(text)
    except OptbuildError as error:
        assert str(error)


@given(st.permutations(["onnx", "quantized", "threads=2", "batching=8", "workers=3", "limits"]))
def test_the_order_of_a_spec_does_not_matter(order: list[str]) -> None:
    assert compose("+".join(order)) == compose(
        "onnx+quantized+threads=2+batching=8+workers=3+limits"
    )


def test_a_layer_is_applied_after_those_that_it_needs() -> None:
    variant = compose("microbatch:tokens=512,deadline=200ms+lean")
    assert variant.spec == "lean+microbatch:tokens=512,deadline=200ms"
    assert (variant.lanes, variant.max_batch_tokens, variant.deadline_s) == ("auto", 512, 0.2)
    names = list(layers())
    assert all(names.index(need) < names.index(n) for n in names for need in layers()[n].needs)


@pytest.mark.parametrize("spec", ["batching+lean", "lean+batching=8", "batching+lean+microbatch"])
def test_layers_that_exclude_each_other_say_so(spec: str) -> None:
    with pytest.raises(OptbuildError, match="'batching' and 'lean' exclude each other: keep one"):
        compose(spec)
