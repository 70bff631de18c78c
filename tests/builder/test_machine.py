from pathlib import Path

import pytest

from builder.machine import host


def test_a_host_is_told_from_others_without_naming_it(tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    file.write_text("6f2a0c1e9d8b4f7fa1b2c3d4e5f60718\n")
    one = host(file)
    assert one is not None and len(one) == 16 and one not in file.read_text()
    assert host(file) == one
    file.write_text("6f2a0c1e9d8b4f7fa1b2c3d4e5f60719\n")
    assert host(file) not in (one, None)


@pytest.mark.parametrize("content", [None, "", "\n", "uninitialized\n"])
def test_a_system_that_does_not_say_is_unknown(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "machine-id"
    if content is not None:
        file.write_text(content)
    assert host(file) is None
