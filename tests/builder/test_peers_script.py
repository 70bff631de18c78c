"""The peers' files."""

from pathlib import Path

import pytest

from builder._peers_script import read_script
from variants._errors import OptbuildError


def test_a_file_without_a_block_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bare.py"
    path.write_text('"""Bare."""\n')
    with pytest.raises(OptbuildError, match="script block lacks"):
        read_script(path)
