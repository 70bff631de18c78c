"""`optbuild compare`."""

import sys
from pathlib import Path

import click

from builder.percent import percent

METRICS = ("p50", "p95", "p99", "goodput")


@click.command(
    epilog="Example: optbuild compare runs/first onnx onnx+quantized --metric p95 --margin 3%"
)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--scenario", help="The first that both have, if left out.")
@click.option("--metric", type=click.Choice(METRICS), default="p95", show_default=True)
@click.option(
    "--margin",
    callback=percent,
    metavar="PERCENT",
    help="An effect within it is as good as none; that of A's plan if left out (3% by default).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    directory: Path,
    old: str,
    new: str,
    scenario: str | None,
    metric: str,
    margin: float | None,
    as_json: bool,
) -> None:
    """Say whether B is better or worse than A: one verdict, one line why, an exit code.

    A and B are specs of DIRECTORY, or OTHERDIR:SPEC. The exit code is 0 for improved or
    equivalent, 1 for regressed, 3 for inconclusive and 2 for a mistake in the call.

    \b
    one directory     blocks in pairs: both replayed the same schedules
    two directories   each side relative to a third variant that both have measured, so that
                      a slower day cancels (no such variant: inconclusive); in pairs if seeds
                      and schedules are equal, else unpaired (wider); both loaded alike
    two machines      never improved or regressed: the effects of the machine and of the variant
                      are confounded; the line says what differs

    Between two directories exactly one of variant, model and software (kernel, Python, libraries)
    may differ; with two of them nobody can tell which one did it, and the answer is inconclusive.
    """
    from builder.compare import compare as run

    sys.exit(run(directory, old, new, scenario, metric, margin, as_json))  # type: ignore[arg-type]  # click.Choice
