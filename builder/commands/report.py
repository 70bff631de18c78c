"""`optbuild report`."""

from pathlib import Path

import click


@click.command(epilog="Example: optbuild report runs/first")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The HTML file.")
@click.option("--figures", is_flag=True, help="Also save every figure as SVG and PNG.")
def report(directory: Path, out: Path | None, figures: bool) -> None:
    """Rebuild the reports of what DIRECTORY holds, from the run directories alone.

    An ablation, a sweep or both give report.html, report.md (for a pull request) and report.json
    (for programs); disruptions give disruptions.html, .md and .json.
    """
    from builder.disrupt import FOLDER
    from builder.disruption_report import report as write_disruptions
    from builder.reporting import report as write

    disrupted = (directory / FOLDER).is_dir()
    if not disrupted or any((directory / name).is_dir() for name in ("runs", "sweep")):
        write(directory, out, figures)
    if disrupted:
        write_disruptions(directory)
