"""The end of an ablation or a sweep: the report's files, and what they say on the terminal."""

from pathlib import Path

from analysis.context import warnings_of
from analysis.material import gather
from analysis.report import write_material
from analysis.verdicts import print_verdicts
from analysis.worth import sentences, worth_table
from builder.terminal import notes, out
from variants._errors import OptbuildError


def report(directory: Path, file: Path | None, figures: bool = False) -> None:
    """Write the report of the runs in a directory, print its table and where it is."""
    if file is not None and file.suffix != ".html":
        raise OptbuildError(f"--out {file} must end in .html: the others are written beside it")
    material = gather(directory)
    findings = material.findings
    for problem in material.warnings if findings is None else warnings_of(material, findings):
        notes().print(f"warning: {problem}", markup=False, soft_wrap=True)
    paths = write_material(material, file or directory / "report.html", figures)
    console = out()
    if findings is not None:
        print_verdicts(console, findings)
    if findings is not None and findings.attributions:
        console.print()
        console.print(worth_table(findings.attributions))
        told = sentences(findings.attributions, findings.runs.plan.margin)
        console.print(*told, sep="\n", markup=False, soft_wrap=True)
    for capacity in material.sweep.capacities if material.sweep else ():
        console.print(f"{capacity.spec}: {capacity.words}", markup=False, soft_wrap=True)
    beside = f"{paths.markdown.name}, {paths.json.name}" + (", figures/" if figures else "")
    console.print(f"report: {paths.html} (and {beside})", markup=False, soft_wrap=True)
