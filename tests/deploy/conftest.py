import sys
from pathlib import Path

import pytest

# These, and `fake_cgroups`, are imported by name, whatever import mode pytest runs in.
for folder in (Path(__file__).parent, Path(__file__).parents[1] / "bentofiles"):
    sys.path.insert(0, str(folder))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs a container engine and a base image")
