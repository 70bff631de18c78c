"""A fake cluster for each test, and what connects to it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The fakes are imported by name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))

from fake_api import FakeCluster
from fake_release import Make, release

from deploy.cluster import Cluster
from deploy.kubeconfig import connect
from deploy.rollout import Patience


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
def kubeconfig(fake: FakeCluster, tmp_path: Path) -> Path:
    return fake.kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
def cluster(kubeconfig: Path) -> Cluster:
    return connect(kubeconfig)


@pytest.fixture
def patience() -> Patience:
    """Short where something is looked at again; long where only a broken test waits."""
    return Patience(timeout_s=60, poll_s=0.02, absence_s=0.5)


@pytest.fixture
def make() -> Make:
    return release


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "k3s: needs a cluster, named by OPTBUILD_KUBECONFIG")
    config.addinivalue_line("markers", "docker: needs a container engine")
