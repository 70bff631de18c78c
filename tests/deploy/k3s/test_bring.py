import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_api import NODE, FakeCluster, Refusal

from deploy.bring import bring
from deploy.cluster import Cluster
from variants._errors import OptbuildError

K3S = """#!/bin/sh
echo "$@" >> {folder}/calls
case "$5" in
ls) cat {folder}/there ;;
import) {importing} ;;
esac
"""


def archive(reference: str) -> list[bytes]:
    return [f"the layers of {reference}".encode(), b" and more"]


def quiet(_: str) -> None:
    pass


class K3s:
    """A `k3s` on the PATH that keeps what it is told to import."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        (folder / "there").write_text("docker.io/rancher/pause:3.6\n")
        self.importing(f"cat > {folder}/imported")

    def importing(self, command: str) -> None:
        script = self.folder / "k3s"
        script.write_text(K3S.format(folder=self.folder, importing=command))
        script.chmod(0o755)

    @property
    def imported(self) -> str | None:
        file = self.folder / "imported"
        return file.read_text() if file.exists() else None


@pytest.fixture
def k3s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> K3s:
    folder = tmp_path / "bin"
    folder.mkdir()
    return K3s(folder, monkeypatch)


def test_an_image_is_imported_into_the_k3s_of_this_machine(k3s: K3s, cluster: Cluster) -> None:
    said: list[str] = []
    bring("optbuild/sentiment:1", cluster, archive, said.append)
    assert k3s.imported == "the layers of optbuild/sentiment:1 and more"
    assert said == ["importing optbuild/sentiment:1 into K3s"]


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("sentiment:1", "docker.io/library/sentiment:1"),
        ("optbuild/sentiment:1", "docker.io/optbuild/sentiment:1"),
        ("registry.example/a:1", "registry.example/a:1"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
    ],
)
def test_one_that_is_there_is_not_imported_again(
    k3s: K3s, cluster: Cluster, image: str, there: str
) -> None:
    (k3s.folder / "there").write_text(f"{there}\n")
    bring(image, cluster, archive, quiet)
    assert k3s.imported is None


def test_nothing_is_imported_where_k3s_runs_on_the_local_engine(
    k3s: K3s, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NODE["status"]["nodeInfo"], "containerRuntimeVersion", "docker://27.1")
    bring("sentiment:1", cluster, archive, quiet)
    assert not (k3s.folder / "calls").exists()


def test_nothing_is_imported_into_a_cluster_elsewhere(
    k3s: K3s, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.api.configuration, "host", "https://10.0.0.1:6443")
    bring("sentiment:1", cluster, archive, quiet)
    assert not (k3s.folder / "calls").exists()


def test_a_role_that_may_not_see_nodes_can_import(
    k3s: K3s, fake: FakeCluster, cluster: Cluster
) -> None:
    fake.refuse["GET", "nodes"] = [Refusal(403, "nodes is forbidden")]
    bring("sentiment:1", cluster, archive, quiet)
    assert k3s.imported is not None


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("cat > /dev/null; echo permission denied >&2; exit 1", "sudo, or push it"),
        ("exit 1", "sudo, or push it"),
        ("echo write: no space left on device >&2; exit 1", "rmi --prune"),
    ],
)
def test_an_import_that_fails(k3s: K3s, cluster: Cluster, command: str, remedy: str) -> None:
    k3s.importing(command)
    large = [b"x" * 100_000] * 10  # more than a pipe holds
    with pytest.raises(OptbuildError, match=f"cannot import the image .*{remedy}"):
        bring("sentiment:1", cluster, lambda _: large, quiet)


def test_ctrl_c_ends_the_import(k3s: K3s, cluster: Cluster) -> None:
    pid = k3s.folder / "pid"
    k3s.importing(f"echo $$ > {pid}; exec cat > /dev/null")

    def interrupted(_: str) -> Iterator[bytes]:
        while not pid.exists() or not pid.read_text():
            yield b"x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring("sentiment:1", cluster, interrupted, quiet)
    assert not Path("/proc", pid.read_text().strip()).exists()
