"""Real servers: the HTTP contract over a socket, and what is left when they end."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from garbage import GARBAGE

from builder.build import Request, build
from builder.closed_loop import throughput, warm_up
from builder.serving import own_log
from deploy.local import Server, free_port
from variants._errors import OptbuildError
from variants._spec import compose

pytestmark = pytest.mark.slow

TINY = "synthetic:roberta-tiny"
SPECS = ["baseline", "onnx+batching=8+workers=2", "onnx+lean+microbatch", "lean+workers=2"]


def bento(spec: str) -> Path:
    return build(compose(spec), Request(model=TINY), lambda stage: None).path


@pytest.fixture(scope="module", params=SPECS)
def server(home: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(bento(request.param), home / "server.log") as running:
        yield running


def post(server: Server, body: bytes, path: str = "/predict") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.status, answer.read()
    connection.close()
    return content


def get(server: Server, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def counted(server: Server, name: str) -> float:
    """A counter of `/metrics`, over all its labels."""
    lines = get(server, "/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_every_text_gets_its_answer_in_order(server: Server, count: int) -> None:
    texts = [f"film number {number} " + "was long " * number for number in range(count)]
    status, content = post(server, json.dumps({"texts": texts}).encode())
    together = json.loads(content)
    assert status == 200
    assert len(together) == count
    assert all(set(answer) == {"label", "score"} for answer in together)
    alone = json.loads(post(server, json.dumps({"texts": texts[-1:]}).encode())[1])
    assert together[-1]["label"] == alone[0]["label"]
    assert together[-1]["score"] == pytest.approx(alone[0]["score"], abs=1e-4)


def test_health_and_metrics_answer(server: Server) -> None:
    assert [get(server, path)[0] for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]


def test_the_lean_metrics_count_every_request_of_every_worker(server: Server) -> None:
    if "optbuild_requests_total" not in get(server, "/metrics")[1]:
        pytest.skip("BentoML's own path")
    names = [
        'optbuild_requests_total{status="200"}',
        'optbuild_requests_total{status="400"}',
        "optbuild_latency_seconds_count",
        "optbuild_queue_seconds_count",
        "optbuild_batch_requests_sum",
    ]
    time.sleep(1.0)  # a worker counts a little later: what was asked before is not of this test
    before = [counted(server, name) for name in names]
    for number in range(9):
        assert post(server, b'{"texts": ["fine"]}' if number % 3 else b"{}")[0] in (200, 400)
    time.sleep(1.0)
    assert [counted(server, name) - was for name, was in zip(names, before, strict=True)] == [
        6,
        3,
        6,
        6,
        6,
    ]


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_gets_a_reason_and_the_next_request_an_answer(server: Server, body: bytes) -> None:
    status, content = post(server, body)
    assert status == 400
    assert json.loads(content)["error"]
    assert post(server, b'{"texts": ["fine"]}')[0] == 200


def test_a_body_over_the_limit_is_413(server: Server) -> None:
    status, content = post(server, b'{"texts": ["' + b"x" * 2_000_000 + b'"]}')
    assert status == 413
    assert json.loads(content)["error"]


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "begins",
    [
        [HEAD + b"X-Endless: "],
        [
            HEAD.replace(b"json", b"xml") + b"Content-Length: 1\r\n\r\n",
            b"x" + HEAD + b"X-Endless: ",
        ],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Endless: "],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2; endless="],
    ],
    ids=["the first", "after a body that nobody waited for", "trailers", "size of a chunk"],
)
def test_a_head_that_never_ends_is_cut_off(server: Server, begins: list[bytes]) -> None:
    sent, answer = 0, b""
    with socket.create_connection((server.host, server.port), timeout=30) as sock:
        try:
            for piece in begins:
                sock.sendall(piece)
                time.sleep(0.2)  # for an answer that comes before the next
            while sent < 64 << 20:
                sent += sock.send(b"x" * 65536)
            answer = sock.recv(65536)
        except ConnectionError:
            pass  # closed while this still sends
    assert sent < 64 << 20 or b"400" in answer.partition(b"\r\n")[0]
    assert post(server, b'{"texts": ["fine"]}')[0] == 200


def test_long_and_odd_texts_are_answered(server: Server) -> None:
    texts = ["", " ", "\0", "\u2028", "😀" * 500, "word " * 50_000, "\\", '"']
    status, content = post(server, json.dumps({"texts": texts}).encode())
    assert status == 200
    assert len(json.loads(content)) == len(texts)


def test_a_closed_loop_measures_throughput(server: Server) -> None:
    warm_up(server.url, ["a film"], connections=2, seconds=0.2, least=5)
    assert throughput(server.url, ["a film", "another"], connections=4, seconds=1.0) > 5


def test_a_closed_loop_says_what_is_wrong(server: Server) -> None:
    with pytest.raises(OptbuildError, match="does not answer as it should"):
        throughput(f"{server.url}/nowhere", ["a film"], connections=1, seconds=0.2)
    port = free_port("127.0.0.1", 0)
    with pytest.raises(OptbuildError, match="refused"):
        throughput(f"http://127.0.0.1:{port}", ["a film"], connections=2, seconds=0.2)


def descendants_of(process: int) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process).children(recursive=True)
    return found


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=15)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("signal_number", [2, 9, 15])
def test_serve_leaves_no_process_however_it_ends(home: Path, signal_number: int) -> None:
    bento("onnx+batching=8+workers=2")
    port = free_port("127.0.0.1", 0)
    serving = subprocess.Popen(
        [
            *(sys.executable, "-c", "from builder.cli import cli; cli()", "serve"),
            *("batching=8+workers=2+onnx", "--model", TINY, "--port", str(port)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    assert f"http://127.0.0.1:{port}" in serving.stdout.readline()
    family = descendants_of(serving.pid)
    assert len(family) >= 3  # the supervisor and two workers
    os.kill(serving.pid, signal_number)
    errors = serving.communicate(timeout=30)[1]
    assert serving.returncode == {2: 130, 9: -9, 15: 143}[signal_number]
    assert "Traceback" not in errors
    assert all_gone(family)


def test_servers_at_the_same_time_have_a_log_each_and_leave_no_more_than_those(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path))
    for _ in range(3):
        with own_log("a") as first, own_log("a") as second, own_log("b") as other:
            assert len({first, second, other}) == 3
        with own_log("a") as again:
            assert again == first
    assert sorted((tmp_path / "logs").iterdir()) == sorted({first, second, other})


@contextmanager
def served(port: int) -> Iterator[str]:
    """`optbuild serve` on that port; its first line."""
    spec = ["onnx+lean+microbatch", "--model", TINY, "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-c", "from builder.cli import cli; cli()", "serve", *spec],
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        yield serving.stdout.readline()
        serving.send_signal(2)


def test_two_of_one_bento_write_to_logs_of_their_own_and_count_what_is_theirs(home: Path) -> None:
    bento("onnx+lean+microbatch")
    one, two = (Server(Path(), Path(), port=free_port("127.0.0.1", 0)) for _ in range(2))
    name = 'optbuild_requests_total{status="200"}'

    def ask(server: Server, times: int) -> None:
        for _ in range(times):
            assert post(server, b'{"texts": ["fine"]}')[0] == 200
        time.sleep(1.0)  # a worker counts a little later

    with served(one.port) as said:
        ask(one, 5)
        with served(two.port) as also_said:
            ask(one, 2)
            ask(two, 3)
            assert (counted(one, name), counted(two, name)) == (7, 3)
        ask(one, 1)
        assert counted(one, name) == 8
    logs = [Path(line.partition(", log in ")[2].partition(";")[0]) for line in (said, also_said)]
    for server, log in zip((one, two), logs, strict=True):
        assert f":{server.port}" in log.read_text()
    assert logs[0] != logs[1]


def test_workers_end_when_their_supervisor_is_killed(home: Path) -> None:
    with Server(bento("onnx+batching=8+workers=2"), home / "killed.log") as server:
        family = server.child.descendants()
        server.child.process.kill()
        assert all_gone(family)


def test_a_taken_port_is_one_line(server: Server) -> None:
    with pytest.raises(OptbuildError, match="choose another --port"):
        free_port(server.host, server.port)
    with pytest.raises(OptbuildError, match="choose another --port"):
        free_port(server.host, 65536)  # of the second replica, with --port 65535


def test_a_bento_that_cannot_start_says_why_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "bento.yaml").write_text("service: nothing:here\nname: broken\nversion: '1'\n")
    started_s = time.monotonic()
    with pytest.raises(OptbuildError, match="ended with code"), Server(broken, home / "broken.log"):
        pass
    assert time.monotonic() - started_s < 60


def test_a_port_that_another_process_was_faster_to_take_does_not_end_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        found = iter([taken])
        monkeypatch.setattr(
            "deploy.local.free_port", lambda host, port: next(found, 0) or free_port(host, port)
        )
        with Server(bento("baseline"), home / "faster.log") as running:
            assert running.port != taken
            assert get(running, "/readyz")[0] == 200
