"""A peer's server in a virtual environment of its own."""

import sys
from pathlib import Path

import psutil
import pytest
from peer_standins import ANSWER, STANDIN

from builder._peers_script import folder
from builder._peers_target import PeerServer, require_same_answers
from builder._peers_venv import ensure_venv
from builder.asking import predict
from builder.build import Request, build
from variants._errors import OptbuildError
from variants._spec import compose


@pytest.mark.slow
def test_bare_asgi_in_two_processes_answers_and_leaves_none(home: Path, tmp_path: Path) -> None:
    request = Request(model="synthetic:roberta-tiny")
    sources = build(compose("onnx"), request, lambda stage: None).path / "src"
    settings = {"workers": 2, "lanes": 1, "batch": 8, "pinned": 1}
    python, log = Path(sys.executable), tmp_path / "log"
    with PeerServer("asgi", python, sources, settings, log, scripts=folder()) as target:
        for _ in range(8):  # each connection may be another process's
            assert len(predict(target.url, ["a film", "another"])) == 2
        process = psutil.Process(target.child.process.pid)
        listening = [
            one
            for one in [process, *process.children(recursive=True)]
            if any(each.status == psutil.CONN_LISTEN for each in one.net_connections())
        ]
        assert len(listening) == 2
    assert not any(one.is_running() for one in listening)


@pytest.mark.thorough
@pytest.mark.usefixtures("stand_ins")
def test_a_peer_runs_in_its_own_venv_and_nothing_of_it_is_left(
    tmp_path: Path, scripts: Path
) -> None:
    python = ensure_venv(tmp_path / "venv", ())
    made = python.stat().st_mtime_ns
    assert ensure_venv(tmp_path / "venv", ()).stat().st_mtime_ns == made
    settings = {"score": 1, "die": 0}
    log = tmp_path / "log"
    with PeerServer("good", python, tmp_path, settings, log, scripts=scripts) as target:
        require_same_answers(target.url, ["a", "b"], [ANSWER, ANSWER])
        with pytest.raises(OptbuildError, match="is right"):
            require_same_answers(target.url, ["a"], [{"label": "positive", "score": 0.998}])
        with pytest.raises(OptbuildError, match="is right"):
            require_same_answers(target.url, ["a"], [{"label": "negative", "score": 1.0}])
        process = target.child.process
    assert process.poll() is not None


# What they say last where another process listens: uvicorn, mosec, Triton's front.
LOST = {
    "uvicorn": "ERROR:    [Errno 98] Address already in use",
    "mosec": "RuntimeError: 127.0.0.1:1 is in use. Please change to a free one (use `--port`).",
    "front": "[Errno 98] error while attempting to bind: address already in use\\n"
    + "Timeout: Found 0 live models\\n" * 9,
}


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(("loses", "comes"), [(2, True), (3, False)])
@pytest.mark.parametrize("says", LOST.values(), ids=LOST)
def test_a_peer_that_lost_a_port_is_started_anew_on_another_but_not_for_ever(
    says: str, loses: int, comes: bool, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    starts.touch()
    dies = (
        f"with open({str(starts)!r}, 'a+') as file:\n"
        "    print(os.environ['PEER_PORT'], file=file, flush=True)\n"
        "    file.seek(0)\n"
        f"    if len(file.readlines()) <= {loses}:\n"
        f"        sys.exit('{says}')\n"
    )
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "good.py").write_text(STANDIN.replace("SCORE =", dies + "SCORE ="), encoding="utf-8")
    python, settings, log = Path(sys.executable), {"score": 1, "die": 0}, tmp_path / "log"
    server = PeerServer("good", python, tmp_path, settings, log, scripts=scripts)
    if comes:
        with server as target:
            assert predict(target.url, ["a film"]) == [ANSWER]
    else:
        with pytest.raises(OptbuildError, match="ended with code 1"), server:
            pass
    ports = starts.read_text().split()
    assert len(ports) == 3
    assert not comes or server.url.endswith(ports[-1])
