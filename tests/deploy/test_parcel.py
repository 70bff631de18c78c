import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from deploy.parcel import LINE_BYTES, MARK, MOST_BYTES, unwrap, wrap
from variants._errors import OptbuildError


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "there").mkdir()
    found = [tmp_path / "there" / name for name in ("records.parquet", "load.json")]
    found[0].write_bytes(bytes(range(256)) * 100)
    found[1].write_text("{}")
    return found


def test_files_come_back_from_among_other_lines(files: list[Path], tmp_path: Path) -> None:
    lines = [f"{line}\nanother line" for line in wrap(files)]
    assert len(lines) > 3
    assert unwrap("\n".join(lines), tmp_path) == "\n".join(["another line"] * len(lines))
    for file in files:
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("missing", [0, 1, -1])
def test_a_line_that_is_missing_is_noticed(files: list[Path], tmp_path: Path, missing: int) -> None:
    lines = list(wrap(files))
    del lines[missing]
    with pytest.raises(OptbuildError, match=r"not complete: .*--load local"):
        unwrap("\n".join(lines), tmp_path)
    assert not (tmp_path / "load.json").exists()


def test_no_line_is_split_and_no_log_turned_over(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * (MOST_BYTES - 20_000))
    lines = list(wrap([large]))
    assert max(map(len, lines)) < 16_000
    runtimes_own = len("2026-01-01T00:00:00.000000000+00:00 stdout F ") + 1
    assert sum(len(line) + runtimes_own for line in lines) < 10 * 2**20
    large.write_bytes(b"x" * (MOST_BYTES + LINE_BYTES))
    with pytest.raises(OptbuildError, match="do not fit into a pod's log"):
        next(wrap([large]))


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("../../out")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    content = buffer.getvalue()
    log = f"{MARK}{base64.b64encode(content).decode()}\n"
    log += f"{MARK}end {hashlib.sha256(content).hexdigest()}"
    (tmp_path / "a" / "b").mkdir(parents=True)
    unwrap(log, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "out").exists()
    assert not (tmp_path / "out").exists()
