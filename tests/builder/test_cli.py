import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.cli import cli

CALIBRATED = ["--calibration", __file__]  # any file will do
NO_USE = "for the layer quantized"
NO_ENGINE = "tcp://127.0.0.1:9"
OPTBUILD = [sys.executable, "-c", "from builder.cli import cli; cli()"]


def optbuild(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*OPTBUILD, *arguments], capture_output=True, text=True, check=False)


def commands() -> list[str]:
    return cli.list_commands(None)  # type: ignore[arg-type, no-any-return]  # needs no context


def test_the_commands_of_the_product_are_there() -> None:
    assert {"layers", "variant", "image", "serve", "ablate", "report"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert re.search(rf"Example: optbuild {command}\b", result.output)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["variant", "onx"], "did you mean 'onnx'"),
        (["variant"], "Missing argument"),
        (["variant", "onnx", "--model", "/nowhere/at/all"], "give a folder"),
        (["variant", "onnx", "--model", "synthetic:gpt"], "known are roberta-base"),
        (["variant", "onnx", "--golden", "/nowhere.csv"], "does not exist"),
        (["variant", "onnx", "--max-flips", "101"], "0<=x<=100"),
        (["variat", "onnx"], "No such command"),
        (["--nonsense"], "No such option"),
        (["serve", "onnx", "--port", "70000"], "0<=x<=65535"),
        (["serve", "onnx", "--host", "256.1.1.1"], "no IP address"),
        (["serve", "onnx", "--host", "192.0.2.1"], "choose another"),
        (["ablate", "onnx", "--out", "/tmp/x", "--margin", "0"], "0<x<=100"),
        (["ablate", "onnx", "--out", "/tmp/x", "--margin", "nan"], "not a number"),
        (["sweep", "onnx", "--out", "/tmp/x", "--duration", "nan"], "not a number"),
        (["variant", "onnx", "--max-accuracy-drop", "nan"], "not a number"),
        (["ablate", "onnx"], "--out"),
        (["ablate", "onnx", "--out", "/tmp/x", "--scenario", "trace"], "loadtests/trace.py"),
        (["ablate", "onnx", "--out", "/proc/nowhere"], "choose another --out"),
        (["ablate", "onnx", "--out", "/tmp/x", "--slo", "p95<fast"], "p95<250ms"),
        (["ablate", "onnx", "--out", "/tmp/x", "--rate", "nan"], "auto"),
        (["ablate", "onnx", "--out", "/tmp/x", "--detect", "0%"], "not like 10%"),
        (["ablate", "onnx", "--out", "/tmp/x", "--until-width", "nan"], "not like 10%"),
        (["ablate", "onnx", "--out", "/tmp/x", "--detect", "5%", "--blocks", "9"], "leave out"),
        (
            ["ablate", "onnx", "--out", "/tmp/x", "--until-width", "5%", "--blocks", "10"],
            "after 10",
        ),
        (["doctor", "--aa", "onnx"], "give --out"),
        (["doctor", "--aa", "onx", "--out", "/tmp/x"], "did you mean 'onnx'"),
        (["serve", "onnx+replicas=2"], "choose --target docker"),
        (["ablate", "onnx+limits:cpu=2", "--out", "/tmp/x"], "choose --target docker"),
        (["ablate", "onnx", "--out", "/tmp/x", "--target", "k3s"], "KUBECONFIG"),
        (["disrupt", "onnx", "--out", "/tmp/x", "--margin", "nan"], "is not a number"),
        (["ablate", "quantized+onnx", "--out", "/tmp/x"], "put 'onnx' before"),
        (["image", "onx"], "did you mean 'onnx'"),
        (["image", "onnx", "--engine", NO_ENGINE], "start it"),
        (["image", "onnx", "--ca-bundle", "/nowhere.pem"], "does not exist"),
        (["image", "onnx", "--recipe", "kaniko"], "bentoml"),
        (["serve", "onnx+replicas=2", "--target", "docker", "--engine", NO_ENGINE], "start it"),
        (
            ["ablate", "onnx", "--out", "/tmp/x", "--target", "docker", "--engine", NO_ENGINE],
            "start it",
        ),
        (["ablate", "onnx", "--out", "/tmp/x", "--target", "moon"], "docker"),
        (["variant", "onnx", *CALIBRATED], NO_USE),
        (["variant", "onnx", "batching", *CALIBRATED], NO_USE),
        (["serve", "onnx", "--port", "0", *CALIBRATED], NO_USE),
        (["ablate", "onnx+batching", "--out", "/tmp/x", *CALIBRATED], NO_USE),
        (["sweep", "onnx", "--out", "/tmp/x", *CALIBRATED], NO_USE),
        (["disrupt", "onnx", "--experiment", "pod-kill", "--out", "/tmp/x", *CALIBRATED], NO_USE),
        (["doctor", "--aa", "onnx", "--out", "/tmp/x", *CALIBRATED], NO_USE),
        (["doctor", *CALIBRATED], "give --aa"),
        (["deploy", "onnx", "--dry-run", *CALIBRATED], NO_USE),
        (["deploy", "onnx", "--dry-run", "--image", "a:b", *CALIBRATED], "--image needs no build"),
        (["report", "/nowhere"], "does not exist"),
        (["report", str(Path(__file__).parent)], "optbuild ablate"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    result = optbuild(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("optbuild: ")
    assert said in result.stderr


def test_alone_it_shows_its_help() -> None:
    result = optbuild()
    assert result.returncode == 2
    assert "Commands:" in result.stderr
    assert len(result.stderr.splitlines()) > 5


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {**os.environ, "OPTBUILD_CACHE": str(tmp_path / "file" / "cache")}
    command = [*OPTBUILD, "variant", "onnx", "--model", "synthetic:roberta-tiny"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_an_unknown_scenario_is_named_with_the_known_ones(tmp_path: Path) -> None:
    result = optbuild("ablate", "onnx", "--out", str(tmp_path), "--scenario", "burst")
    assert result.returncode == 2
    assert "bursty" in result.stderr


def test_layers_as_json() -> None:
    layers = {layer["name"]: layer for layer in json.loads(optbuild("layers", "--json").stdout)}
    assert layers["quantized"]["needs"] == ["onnx"]
    assert layers["batching"]["level"] == "service"
    assert layers["workers"]["parameters"][0]["default"] == 2


def test_layers_as_a_table_names_each() -> None:
    shown = optbuild("layers").stdout
    for name in ("onnx", "quantized", "threads", "batching", "workers", "10s (1ms to 60s)"):
        assert name in shown


def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{shlex.join(OPTBUILD)} layers --json | head -c 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stderr == ""


def test_help_imports_nothing_heavy() -> None:
    probe = (
        "import sys; from builder.cli import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch','bentoml','numpy','rich','pyarrow','locust'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
