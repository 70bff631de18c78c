"""A file that holds one JSON object."""

import json
from pathlib import Path

from analysis._fields import Fields
from variants._errors import OptbuildError


def read_object(path: Path) -> Fields:
    """The object in `path`; raises OptbuildError naming the file where there is none."""
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise OptbuildError(f"{path}: cannot be read as JSON ({reason}); repeat the run") from error
    if not isinstance(raw, dict):
        raise OptbuildError(f"{path}: holds no object; not a run of optbuild disrupt?")
    return Fields(raw, path)
