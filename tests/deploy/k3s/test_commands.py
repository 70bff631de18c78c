"""`optbuild deploy` and `optbuild undeploy` as a user calls them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from fake_api import FakeCluster
from fake_engine import FakeEngine

from builder.cli import cli

OPTBUILD = [str(Path(sys.executable).with_name("optbuild"))]


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_deploy_twice_another_and_undeploy(fake: FakeCluster, kubeconfig: Path) -> None:
    where = ("--kubeconfig", kubeconfig)
    code, out, errors = run("deploy", "onnx+replicas=2", "--image", "a:1", *where)
    assert code == 0, errors
    assert "Deployment/classifier created" in out
    assert f"onnx+replicas=2 at http://127.0.0.1:{fake.front.port}, ready after" in out
    _, out, _ = run("deploy", "replicas=2+onnx", "--image", "a:1", *where)
    assert out.count("unchanged") == 4
    code, _, errors = run("undeploy", "baseline", *where)
    assert code == 2
    assert "optbuild undeploy 'onnx+replicas=2'" in errors
    code, out, _ = run("undeploy", "onnx+replicas=2", *where)
    assert code == 0
    assert out.count("removed") == 4
    assert fake.names() == set()
    code, out, _ = run("undeploy", "onnx+replicas=2", *where)
    assert code == 0
    assert "nothing is deployed as 'classifier' in namespace 'default'" in out


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_takes_it_back_and_says_so(
    fake: FakeCluster, kubeconfig: Path, stop: signal.Signals, code: int
) -> None:
    command = [*OPTBUILD, "deploy", "onnx", "--image", "never:1", "--kubeconfig", str(kubeconfig)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "replicas ready" in line:
            process.send_signal(stop)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert errors.splitlines()[-1] == "optbuild: interrupted; nothing of it is left in the cluster"
    deadline_s = time.monotonic() + 30
    while fake.names() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert fake.names() == set()


def test_a_dry_run_prints_plain_yaml_and_touches_no_cluster(tmp_path: Path) -> None:
    code, out, _ = run("deploy", "onnx", "--image", "a:1", "--dry-run", "--kubeconfig", "/nowhere")
    assert code == 0
    kinds = [item["kind"] for item in yaml.safe_load_all(out)]
    assert kinds == ["NetworkPolicy", "Service", "PodDisruptionBudget", "Deployment"]
    assert "&" not in out


def test_manifests_are_written_with_a_word_on_how_to_apply_them(tmp_path: Path) -> None:
    code, out, errors = run("deploy", "onnx", "--image", "a:1", "--hpa", "3", "--out", tmp_path)
    assert (code, out) == (0, "")
    assert f"kubectl apply --kustomize {tmp_path}/overlays/onnx" in errors
    assert (tmp_path / "base" / "kustomization.yaml").exists()
    assert (tmp_path / "overlays" / "onnx" / "horizontalpodautoscaler.yaml").exists()


@pytest.mark.parametrize("to_folder", [False, True])
def test_manifests_name_the_image_in_the_registry_and_say_that_it_is_to_be_pushed(
    tmp_path: Path, to_folder: bool
) -> None:
    words = ("deploy", "onnx", "--image", "team/a:1", "--registry", "host:5000/x/")
    code, out, errors = run(*words, *(("--out", tmp_path) if to_folder else ("--dry-run",)))
    assert code == 0
    text = (tmp_path / "overlays/onnx/deployment.yaml").read_text() if to_folder else out
    assert "image: host:5000/x/team/a:1\n" in text
    assert "docker tag team/a:1 host:5000/x/team/a:1 && docker push host:5000/x/team/a:1" in errors


@pytest.mark.parametrize("by_variable", [False, True])
def test_the_image_is_handed_over_by_the_engine_that_was_asked_for(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    words = ("deploy", "onnx", "--image", "a:1", "--registry", "host:5000")
    where = ("--kubeconfig", str(kubeconfig))
    code, _, errors = run(*words, *where)
    assert (code, "no container engine answers at tcp://127.0.0.1:1" in errors) == (2, True)
    with FakeEngine([]) as engine:
        if by_variable:
            monkeypatch.setenv("OPTBUILD_ENGINE", engine.address)
            code, _, errors = run(*words, *where)
        else:
            code, _, errors = run(*words, *where, "--engine", engine.address)
    assert (code, "has no image a:1" in errors) == (2, True)


def test_more_threads_than_the_limit_has_room_for_is_said_with_figures() -> None:
    spec = "onnx+workers=2+threads=2+limits:cpu=2,memory=1Gi"
    _, _, errors = run("deploy", spec, "--image", "a:1", "--dry-run")
    assert errors.startswith("warning: 2 workers x 2 threads = 4 threads on 2 cores")
    _, _, errors = run("deploy", "onnx+limits:cpu=2", "--image", "a:1", "--dry-run")
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["onnx", "--image", "a:1", "--kubeconfig", "/nowhere"], "give another --kubeconfig"),
        (["onnxx", "--image", "a:1", "--dry-run"], "did you mean 'onnx'"),
        (["onnx", "--image", "a b", "--dry-run"], "give --image NAME:TAG"),
        (["onnx", "--image", "a:1", "--name", "A", "--dry-run"], "small letters"),
        (["onnx+replicas=3", "--image", "a:1", "--hpa", "2", "--dry-run"], "give at least 3"),
        (["onnx", "--image", "a:1", "--url", "classifier"], "such as http://"),
        (["onnx", "--hpa", "0"], "deploy --help"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(arguments: list[str], remedy: str) -> None:
    code, out, errors = run("deploy", *arguments)
    assert (code, out) == (2, "")
    assert len(errors.splitlines()) == 1
    assert remedy in errors
