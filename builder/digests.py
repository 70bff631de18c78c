"""Content digests of files, folders and JSON values."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def of_file(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(files: Mapping[str, Path]) -> str:
    """Hex sha256 over names and contents, whatever the order of the mapping."""
    return of_json({name: of_file(path) for name, path in files.items()})


def of_folder(folder: Path) -> str:
    """Hex sha256 over the relative names and contents of all files below a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return of_files({path.relative_to(folder).as_posix(): path for path in paths})


def of_json(value: object) -> str:
    """Hex sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
