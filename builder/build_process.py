"""One build in a process of its own: `python -m builder.build_process`, JSON in, JSON lines out.

A process of its own, because BentoML keeps the first service module that it has imported, torch
and optimum take seconds to import, and whatever they print must not mix with the answer.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from bentofiles.isa import cpu_flags
from builder import answers, bento, check, export, int8, model, served
from builder.artifacts import Artifact
from builder.calibration import Calibration, calibration_for
from builder.golden import Golden, golden_for, label_indices
from builder.isa import int8_target
from builder.model import Model
from builder.oserrors import explain
from builder.paths import bentoml_home
from builder.prepare import Prepared, prepare
from deploy.scratch import scratch
from variants._errors import OptbuildError
from variants._layer import Variant
from variants._spec import compose

Say = Callable[[str], None]


def build(
    variant: Variant,
    chosen: Model,
    golden: Golden,
    calibration: Path | None,
    limits: check.Limits,
    say: Say,
) -> dict[str, Any]:
    """Build, check and publish one Bento; returns its tag's parts and the check."""
    home = bentoml_home()
    say("reading the model")
    prepared = prepare(chosen)

    @cache
    def expected() -> check.Probabilities:
        say(f"asking the baseline about {len(golden.texts)} texts")
        with _staged(Variant(), chosen, prepared, None) as sources:
            return check.reference(sources, chosen.digest, golden)

    right = label_indices(golden, prepared.labels)

    def judged(graph: Artifact) -> check.Check:
        say(f"asking the int8 graph about {len(golden.texts)} texts")
        alone = Variant(runtime="onnx", quantization=variant.quantization)
        with _staged(alone, chosen, prepared, graph) as sources:
            found = answers.to_golden(sources, chosen, graph, golden)
        return check.compare(found, expected(), golden, right)

    graph = None
    if variant.runtime == "onnx":
        say("exporting to ONNX and fusing")
        graph = export.fused(prepared, chosen.digest)
        if variant.quantization is None:
            graph = export.mapped(graph)
        else:
            static = variant.quantization == "int8-static"
            texts = partial(calibration_for, golden, calibration)
            # Random weights have no answers that could be wrong.
            judge = None if chosen.kind == "synthetic" else judged
            graph = _integers(graph, prepared, static, texts, judge, limits, say)
    # Not before: the baseline may be asked right now, by its own build.
    expected()
    with scratch(home / "tmp", "optbuild-") as folder:  # on the store's file system
        say("building the Bento")
        staged = bento.stage(folder / "sources", variant, chosen, prepared, graph)
        built = bento.build(staged, folder / "home")
        found = expected()
        if variant != Variant():  # the baseline is what the others are held against
            say(f"checking it on {len(golden.texts)} texts")
            found = answers.to_golden(built / "src", chosen, graph, golden)
        say("asking it about texts alone and in batches")
        together = answers.batch_invariance_of(built / "src", chosen, graph, golden)
        result = check.compare(found, expected(), golden, right, together)
        if chosen.kind != "synthetic":  # random weights have no answers that could be wrong
            check.require(result, limits, variant.spec)
            if variant != Variant():  # its server runs every request alone
                say("asking its server the same")
                through_server = served.of_bento(built, folder / "serve.log", golden.texts)
                result = replace(result, served=through_server)
                check.require(result, limits, variant.spec)
        published = bento.publish(built, home)
    return {"name": published.parent.name, "version": published.name, "check": result.to_json()}


def _integers(
    fused: Artifact,
    prepared: Prepared,
    static: bool,
    others: Callable[[], Calibration],
    judged: Callable[[Artifact], check.Check] | None,
    limits: check.Limits,
    say: Say,
) -> Artifact:
    """The int8 graph of a fused one, with operators in fp32 if it is not good enough without.

    First the one that suffers most from int8, then two, four, ... At half of all it ends, because
    then little speed is left to gain. The graph alone decides, so variants that differ in their
    service layers serve the same one; the check of the Bento has the last word. `others` are texts
    that judge nothing; `judged` is None where nothing can be judged.
    """
    target = int8_target(cpu_flags())
    texts = others() if static else None

    def quantized(kept: Sequence[str] = ()) -> Artifact:
        return export.mapped(int8.quantized(fused, target, prepared, texts, kept))

    say(f"quantizing, calibrated on {len(texts.texts)} texts" if texts else "quantizing")
    graph = quantized()
    if judged is None or check.equivalent(result := judged(graph), limits):
        return graph
    seen = texts or others()
    say(
        f"labels flip in {result.flip_rate:.2%}, accuracy falls by {result.accuracy_drop:.2%}: "
        f"looking for operators to keep in fp32, on {len(seen.texts)} other texts"
    )
    ranked = int8.suffering(fused, prepared, seen, static)
    many = 1
    while many <= len(ranked) // 2 and not check.equivalent(result, limits):
        graph = quantized(ranked[:many])
        result = judged(graph)
        many *= 2
    return graph


@contextmanager
def _staged(
    variant: Variant, chosen: Model, prepared: Prepared, graph: Artifact | None
) -> Iterator[Path]:
    """Sources like a Bento's, to ask what they answer."""
    with scratch(bentoml_home() / "tmp", "optbuild-") as folder:
        yield bento.stage(folder / "sources", variant, chosen, prepared, graph).sources


def main() -> None:
    """Read one request from stdin; write stages, then a result or an error, to stdout."""
    # What libraries print to stdout goes where their warnings go.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # SystemExit unwinds: a half-filled folder is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def write(**line: object) -> None:
        replies.write(json.dumps(line) + "\n")

    request = json.load(sys.stdin)
    try:
        chosen = model.resolve(request["model"])
        given = {name: Path(request[name]) for name in ("golden", "calibration") if request[name]}
        golden = golden_for(chosen, given.get("golden"))
        limits = check.Limits(**request["limits"])
        variant = compose(request["spec"])
        result = build(
            variant,
            chosen,
            golden,
            given.get("calibration"),
            limits,
            lambda stage: write(stage=stage),
        )
    except OptbuildError as error:
        write(error=str(error), exit_code=error.exit_code)
    except OSError as error:
        if (line := explain(error)) is None:
            raise
        write(error=line, exit_code=2)
    else:
        write(result=result)


if __name__ == "__main__":
    main()
