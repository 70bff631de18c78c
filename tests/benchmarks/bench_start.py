"""How long a server takes to be ready, where that time goes, and what another worker costs.

    python tests/benchmarks/bench_start.py [SPEC...] [--model M] [--workers 1,2,3] [--repeats 5]

Each SPEC is built and served by 1, 2 and 3 workers, `repeats` times, interleaved. Ready: from the
start of `bentoml serve` to the first 200 of /readyz, which is all workers. Memory: proportional
set size of all processes after some requests; shared pages count once. Inside one worker: a fresh
process that does what a worker does, by stages. Medians; a benchmark, not a test.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from builder.build import Build, Request  # noqa: E402
from builder.build_all import build_all  # noqa: E402
from builder.closed_loop import warm_up  # noqa: E402
from builder.files import write_json  # noqa: E402
from deploy.local import Server  # noqa: E402
from deploy.sampler import Sampler  # noqa: E402
from variants._spec import compose  # noqa: E402

TEXTS = ("A film.", "A slow, warm and rather long film about a summer by the sea.")
REQUESTS_A_WORKER = 32
# What a worker does from its first line to its first answer, in the order in which it does it.
STAGES = """
import json, sys, time
begin_s, stages = time.perf_counter(), {}
def done(name):
    global begin_s
    now_s = time.perf_counter()
    stages[name], begin_s = now_s - begin_s, now_s
sys.path.insert(0, sys.argv[1])
import bentoml, bentofiles.contract
from bentofiles.settings import read_variant
done("import bentoml")
from bentofiles import predictor
variant = read_variant()
if variant.settings.runtime == "onnx":
    import bentofiles.onnx_predictor
else:
    import bentofiles.torch_predictor
done("import the runtime")
model = predictor.load_predictor(variant)
done("load the model")
for text in ("A film.", "A slow, warm and rather long film about a summer by the sea. " * 4):
    model.probabilities([text])
done("warm up")
if variant.settings.lean:
    from bentofiles.lean import measure_ways
    measure_ways(model, predictor.resolve_wide(variant.settings))
    done("load it for idle lanes, and measure costs")
print(json.dumps(stages))
"""


def with_workers(build: Build, workers: int, folder: Path) -> Path:
    """The same Bento served by another number of workers."""
    bento = folder / f"{build.path.parent.name}-{workers}"
    shutil.copytree(build.path, bento)
    path = bento / "src" / "variant.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["settings"]["workers"] = workers
    write_json(path, content)
    return bento


def start(bento: Path, workers: int, log: Path) -> tuple[float, float]:
    """(seconds to ready, bytes of memory) of one server."""
    begin_s = time.perf_counter()
    with Server(bento, log) as server:
        ready_s = time.perf_counter() - begin_s
        warm_up(server.url, TEXTS, 2 * workers, 0.0, REQUESTS_A_WORKER * workers)
        with Sampler(server) as sampler:
            pass
    return ready_s, float(sampler.pss_bytes or "nan")


def stages(bento: Path) -> Mapping[str, float]:
    """Seconds of each stage in a fresh process."""
    command = [sys.executable, "-P", "-c", STAGES, str(bento / "src")]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=bento)
    found: Mapping[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def show(spec: str, found: Mapping[int, Sequence[tuple[float, float]]]) -> None:
    """One line for each number of workers."""
    first_mb = 0.0
    fewest = min(found)
    for workers, starts in sorted(found.items()):
        seconds, memory = zip(*starts, strict=True)
        mb = median(memory) / 1e6
        more = ""
        if workers == fewest:
            first_mb = mb
        else:
            each = (mb - first_mb) / (workers - fewest)
            more = f", {each:.0f} MB for each further worker ({each / first_mb:.0%})"
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(
            f"{spec}, {workers} worker(s): ready in {median(seconds):.2f} s ({spread}), "
            f"{mb:.0f} MB{more}"
        )


def main() -> None:
    """Build, start, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=["onnx+quantized+lean+microbatch"])
    parser.add_argument("--model")
    parser.add_argument("--workers", default="1,2,3")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    builds = list(build_all([compose(spec) for spec in options.specs], Request(options.model)))
    counts = [int(word) for word in options.workers.split(",")]
    found: dict[str, dict[int, list[tuple[float, float]]]] = {}
    inside: dict[str, list[Mapping[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bentos = {
            (build.variant.spec, workers): with_workers(build, workers, folder)
            for build in builds
            for workers in counts
        }
        for _ in range(options.repeats):
            for (spec, workers), bento in bentos.items():
                started = start(bento, workers, folder / "log")
                found.setdefault(spec, {}).setdefault(workers, []).append(started)
            for build in builds:
                inside.setdefault(build.variant.spec, []).append(stages(build.path))
    for spec, by_workers in found.items():
        show(spec, by_workers)
        for name in inside[spec][0]:
            print(f"  {name}: {median(one[name] for one in inside[spec]):.2f} s")


if __name__ == "__main__":
    main()
