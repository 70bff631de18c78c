"""Builds one after the other, with a line on stderr that says what is going on."""

from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.status import Status

from builder.build import Build, Request, build
from builder.terminal import notes
from variants._errors import OptbuildError
from variants._layer import Variant

NO_USE = "--calibration is for the layer quantized, which is not asked for: leave it out"
# Ranges from one text flip 0 to 2 of 348 labels of the bundled model in four draws, from 4 texts 0
# or 1, from 16 to 100 none. Other models have larger outliers, and a hundred texts take seconds.
FEWEST_TEXTS = 100


def build_all(variants: Sequence[Variant], request: Request) -> Iterator[Build]:
    """The Bento of each variant, in order, as soon as it is there.

    Raises OptbuildError before the first if texts to calibrate with are of use to none.
    """
    if request.calibration is not None and not any(each.quantization for each in variants):
        raise OptbuildError(NO_USE)
    console = notes()
    told = False
    for variant in variants:
        if console.is_terminal:
            with console.status(f"{variant.spec}: looking it up") as status:
                done = build(variant, request, partial(_show_stage, status, variant))
        else:
            done = build(variant, request, partial(_print_stage, console, variant))
        if not told and (line := few_texts(done)):
            console.print(line, markup=False, soft_wrap=True)
            told = True
        yield done


def few_texts(build: Build) -> str | None:
    """A warning if a static int8 graph has its ranges from few texts, else None."""
    calibration = (build.details["artifact"] or {}).get("calibration")
    if calibration is None or calibration["count"] >= FEWEST_TEXTS:
        return None
    return (
        f"warning: {build.variant.spec} has its ranges from {calibration['count']} texts only, "
        f"which others may well exceed: give at least {FEWEST_TEXTS} with --calibration"
    )


def _print_stage(console: Console, variant: Variant, stage: str) -> None:
    console.print(f"{variant.spec}: {stage}")


def _show_stage(status: Status, variant: Variant, stage: str) -> None:
    status.update(f"{variant.spec}: {stage}")
