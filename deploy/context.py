"""What the engine is sent to build an image from: a tar archive, the same for the same content."""

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

ENTRY_POINT = "env/docker/entrypoint.sh"


def write(
    file: IO[bytes],
    texts: Mapping[str, str],
    files: Mapping[str, Path],
    folder: Path | None = None,
    below: str = "",
) -> None:
    """Write an archive of texts and files by name, and of a Bento's folder below some path.

    What stands in `texts` takes the place of a file of that name in the folder. Owner, time and
    mode are always the same, so that the engine's cache knows a step again.
    """
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in texts.items():
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
        for name, path in files.items():
            _add(archive, name, path)
        if folder is None:
            return
        for path in sorted(folder.rglob("*")):
            name = below + path.relative_to(folder).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and name not in texts:
                _add(archive, name, path)


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as content:
        entry = tarfile.TarInfo(name)
        entry.size = path.stat().st_size
        entry.mode = 0o755 if name.endswith(ENTRY_POINT) else 0o644
        archive.addfile(entry, content)


def wheels(folders: Sequence[Path], names: Iterable[str]) -> dict[str, Path]:
    """The wheels of these distributions (canonical names) in some folders, by file name."""
    wanted = set(names)
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.whl")):
            try:
                name = canonicalize_name(parse_wheel_filename(path.name)[0])
            except InvalidWheelFilename:
                continue
            if name in wanted:
                found.setdefault(path.name, path)
    return found
