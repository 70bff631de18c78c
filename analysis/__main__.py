"""`python -m analysis DIR`: the report without the rest of the toolkit."""

import argparse
import sys
from pathlib import Path

from analysis.material import gather
from analysis.report import write_material
from analysis.verdicts import verdict_lines
from variants._errors import OptbuildError


def main(arguments: list[str] | None = None) -> int:
    """Parse, report, print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument("directory", type=Path, help="the --out folder of an experiment")
    parser.add_argument("--out", type=Path, help="the page to write (default DIR/report.html)")
    parser.add_argument("--figures", action="store_true", help="also save figures as SVG and PNG")
    options = parser.parse_args(arguments)
    try:
        material = gather(options.directory)
        for problem in material.warnings:
            print(f"warning: {problem}", file=sys.stderr)
        page = options.out or options.directory / "report.html"
        paths = write_material(material, page, options.figures)
        if material.findings is not None:
            print("\n".join(verdict_lines(material.findings)))
        for capacity in material.sweep.capacities if material.sweep else ():
            print(f"{capacity.spec}: {capacity.words}")
    except OptbuildError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"\n{paths.html}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
