"""`optbuild disrupt`."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from builder.cluster_options import reach_options
from builder.image_options import image_options
from builder.options import FILE, model_options
from builder.within import Within


@click.command(
    epilog="Example: optbuild disrupt onnx onnx+replicas=2 --experiment pod-kill --out runs/faults"
)
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--experiment",
    multiple=True,
    required=True,
    metavar="E",
    help="pod-kill, pod-kill:grace=0, container-kill, rolling-update, scale-down-up, cpu-stress, "
    "memory-limit, network-partition, delay:ms=200, node-drain; may be repeated.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--target",
    type=click.Choice(["local", "docker", "k3s"]),
    default="local",
    show_default=True,
    help="Where the replicas run; local: processes of this machine, without limits.",
)
@click.option("--scenario", default="steady", show_default=True)
@click.option("--blocks", type=click.IntRange(1, 1000), help="8 if left out, 2 with --quick.")
@click.option("--duration", type=Within(1, 3600), help="Seconds of a run; 60, or 30 with --quick.")
@click.option(
    "--rate", default="auto", show_default=True, help="Requests a second; auto: half the capacity."
)
@click.option("--slo", default="p95<250ms", show_default=True, help="What recovery means.")
@click.option("--timeout", type=Within(0.1, 600), default=10.0, show_default=True)
@click.option(
    "--margin",
    type=Within(0, 100, min_open=True),
    default=3.0,
    show_default=True,
    help="Percent; an effect within it is as good as none.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--texts", type=FILE, help="Texts to send, one a line.")
@click.option("--quick", is_flag=True, help="Few short blocks: a direction, not a proof.")
@click.option("--resume", is_flag=True, help="Go on with the disruptions in --out.")
@reach_options
@image_options
@model_options
def disrupt(specs: tuple[str, ...], out: Path, **options: Any) -> None:
    """Disturb each SPEC under load in the same way, and compare what its users notice.

    Every run begins with a steady state, meets a fault at a planned time, and goes on until it
    has recovered or the run is over. The page says what was lost, and for how long.
    """
    from builder.disrupt import disrupt as run
    from builder.disruption_options import Options
    from builder.disruption_report import report

    command = shlex.join(["optbuild", *sys.argv[1:]])
    run(Options.from_options(specs, out, command, options))
    report(out)
