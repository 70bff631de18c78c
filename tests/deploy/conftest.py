import sys
from pathlib import Path

import pytest

# `fake_engine` and `fleets` are imported by name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs a container engine and a base image")
