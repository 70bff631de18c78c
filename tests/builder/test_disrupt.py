"""The command's mistakes: each is one line, found before anything is built."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.cli import cli
from builder.disruption_places import TARGETS
from deploy.disruptions._disruption import disruptions

POD_KILL = ["onnx", "--experiment", "pod-kill", "--out", "X"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["onnx", "--out", "X"], "Missing option '--experiment'"),
        (["--experiment", "pod-kill", "--out", "X"], "Missing argument"),
        (["onx", "--experiment", "pod-kill", "--out", "X"], "did you mean 'onnx'"),
        (["onnx", "--experiment", "pod-kil", "--out", "X"], "known are container-kill"),
        (["onnx", "--experiment", "memory-limit", "--out", "X"], "choose --target docker"),
        (["onnx", "--experiment", "node-drain", "--out", "X"], "choose --target k3s"),
        (["onnx", "--experiment", "pod-kill", "--target", "moon", "--out", "X"], "'moon' is not"),
        (["onnx", "--experiment", "pod-kill", "--out", "/proc/no"], "choose another --out"),
        (["onnx", "--experiment", "pod-kill", "--scenario", "x", "--out", "X"], "known are bursty"),
        (["onnx", "--experiment", "pod-kill", "--slo", "p95", "--out", "X"], "p95<250ms"),
        (
            ["onnx+limits:cpu=1", "--experiment", "pod-kill", "--out", "X"],
            "choose --target docker or --target k3s",
        ),
        (
            ["onnx", "--experiment", "cpu-stress:for=60", "--duration", "30", "--out", "X"],
            "give --duration 108",
        ),
        (
            ["onnx", "--experiment", "pod-kill", "--rate", "5", "--duration", "20", "--out", "X"],
            "give --duration 25",
        ),
        (
            [*POD_KILL, "--target", "docker", "--engine", "unix:///nowhere.sock"],
            "no container engine answers",
        ),
        (
            [*POD_KILL, "--target", "k3s", "--kubeconfig", "/nowhere"],
            "/nowhere",
        ),
        (["onnx", "onnx", "--experiment", "pod-kill", "--out", "X"], "given twice"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    words = [str(tmp_path / "out") if word == "X" else word for word in arguments]
    result = CliRunner().invoke(cli, ["disrupt", *words])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert said in result.stderr


def test_the_help_names_every_experiment() -> None:
    result = CliRunner().invoke(cli, ["disrupt", "--help"])
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    for name in disruptions():
        assert name in shown


def test_every_target_of_a_disruption_can_be_started() -> None:
    named = {target for one in disruptions().values() for target in one.targets}
    assert named <= set(TARGETS)
