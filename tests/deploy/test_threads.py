import pytest

from deploy.threads import environment, over_budget, threads_per_worker
from variants._spec import compose


@pytest.mark.parametrize(
    ("spec", "threads"),
    [
        ("onnx", None),
        ("onnx+limits:cpu=1", 1),
        ("onnx+limits:cpu=3500m", 3),
        ("onnx+limits:cpu=500m", 1),
        ("onnx+workers=2+limits:cpu=4", 2),
        ("onnx+workers=4+limits:cpu=2", 1),
        ("onnx+threads+workers=2+limits:cpu=4", 2),
        ("onnx+threads=3+limits:cpu=4", None),  # the variant says it
        ("onnx+lean+limits:cpu=4", 4),
        ("onnx+lean+microbatch+limits:cpu=4", None),  # its lanes follow the limit
        ("onnx+lean+microbatch:lanes=2+limits:cpu=4", 2),
    ],
)
def test_threads_follow_the_cpu_limit(spec: str, threads: int | None) -> None:
    variant = compose(spec)
    assert threads_per_worker(variant) == threads
    expected = {} if threads is None else {"BENTO_THREADS": str(threads)}
    assert environment(variant) == expected


@pytest.mark.parametrize(
    ("spec", "shared", "told"),
    [
        ("onnx+lean+microbatch", True, {"BENTO_SHARED_CPUS": "1"}),
        ("onnx+lean+microbatch", False, {}),
        ("onnx+batching", True, {}),  # it has nothing that stays on a CPU
    ],
)
def test_lanes_are_told_that_others_use_their_cpus(
    spec: str, shared: bool, told: dict[str, str]
) -> None:
    assert environment(compose(spec), shared) == told


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("onnx+threads=8", None),
        ("onnx+limits:cpu=1", None),
        ("onnx+workers=2+limits:cpu=2", None),
        ("onnx+threads=2+workers=2+limits:cpu=2", "2 workers x 2 threads = 4 threads on 2 cores"),
        (
            "onnx+threads=2+lean+microbatch:lanes=2+limits:cpu=2",
            "1 workers x (2 lanes + 1 threads that they share) = 3 threads on 2 cores",
        ),
        ("onnx+threads=2+lean+microbatch:lanes=2+limits:cpu=3", None),
        ("threads=2+lean+microbatch:lanes=2+limits:cpu=3", "2 lanes x 2 threads = 4 threads on 3"),
        ("onnx+workers=2+limits:cpu=1500m", "2 workers x 1 threads = 2 threads on 1.5 cores"),
    ],
)
def test_more_threads_than_cores_are_named_with_the_figures(spec: str, said: str | None) -> None:
    warning = over_budget(compose(spec))
    assert (warning is None) == (said is None)
    assert said is None or said in str(warning)
