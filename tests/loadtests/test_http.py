import socket
import time

import gevent
import pytest
from fake_server import Server
from geventhttpclient.response import HTTPParseError

from loadtests import _http
from loadtests._exchange import Closed, Unanswered
from loadtests._http import Client, OutOfSockets
from variants._errors import OptbuildError

TEXTS = ["ok", "stale", "late close", "close", "reset", "cut", "garbage", "idle close", "429"]
TEXTS += ["hang", 'Gödel “ß” 😀 \\ "', "slow 0.2", "begun reset"]


def ask(client: Client, text: str) -> int:
    return client.predict(TEXTS.index(text)).status


def test_connections_are_kept(server: Server) -> None:
    client = Client(server.url, TEXTS)
    assert [ask(client, text) for text in ("ok", "429", "ok")] == [200, 429, 200]
    assert server.connections == 1


def test_there_are_as_many_connections_as_requests_under_way(server: Server) -> None:
    client = Client(server.url, TEXTS)
    begin = time.perf_counter()
    slow = [gevent.spawn(ask, client, "slow 0.2") for _ in range(40)]
    gevent.joinall(slow, raise_error=True)
    assert time.perf_counter() - begin < 4  # one after the other: 8
    assert server.connections == 40


def test_texts_arrive_as_they_are(server: Server) -> None:
    assert ask(Client(server.url, TEXTS), TEXTS[10]) == 200
    assert server.asked[-1][1] == TEXTS[10]


def test_a_connection_that_went_stale_is_no_loss(server: Server) -> None:
    client = Client(server.url, TEXTS)
    ask(client, "ok")
    assert ask(client, "stale") == 200  # closed when used again, answered on a new connection
    assert client.repeats == 1
    assert server.connections == 2
    assert [text for _, text in server.asked] == ["ok", "stale", "stale"]


def test_a_request_that_dies_with_its_server_is_lost_where_nothing_is_sent_twice(
    server: Server,
) -> None:
    client = Client(server.url, TEXTS, resend=False)
    ask(client, "ok")
    with pytest.raises(Unanswered):
        ask(client, "stale")  # the server had it, and closed the connection at once
    assert client.repeats == 0
    assert [text for _, text in server.asked] == ["ok", "stale"]


def test_without_a_second_chance_no_connection_is_used_that_may_be_stale(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(server.url, TEXTS, resend=False)
    ask(client, "idle close")
    time.sleep(0.2)
    assert ask(client, "ok") == 200  # closed while idle, before the send: no loss
    assert ask(client, "ok") == 200
    assert server.connections == 2
    monkeypatch.setattr(_http, "FRESH_S", 0.01)
    time.sleep(0.05)
    assert ask(client, "ok") == 200
    assert server.connections == 3, "idle for so long that the server may be about to close it"


def test_requests_are_numbered_where_nothing_is_sent_twice(server: Server) -> None:
    numbered = Client(server.url, TEXTS, resend=False)
    numbered.predict(0, 7)
    numbered.predict(0, 12)
    Client(server.url, TEXTS).predict(0, 13)
    assert server.numbers == ["7", "12", ""]


def test_an_idle_connection_that_was_closed_is_not_used(server: Server) -> None:
    client = Client(server.url, TEXTS)
    ask(client, "idle close")
    time.sleep(0.2)
    assert ask(client, "ok") == 200
    assert client.repeats == 0
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("texts", "error", "asked"),
    [
        (["close"], Unanswered, 1),  # a new connection is not stale
        (["reset"], Unanswered, 1),
        (["ok", "late close"], Unanswered, 2),  # the server had time to begin: its loss
        (["ok", "close"], Unanswered, 3),  # the repeat is closed as well, and not repeated
        (["ok", "cut"], Closed, 2),  # part of an answer came
        (["ok", "begun reset"], Closed, 2),
        (["garbage"], HTTPParseError, 1),
        (["ok", "garbage"], HTTPParseError, 2),
    ],
)
def test_losses_of_the_server_are_not_repeated(
    server: Server, texts: list[str], error: type[Exception], asked: int
) -> None:
    client = Client(server.url, TEXTS)
    for text in texts[:-1]:
        ask(client, text)
    with pytest.raises(error) as raised:
        ask(client, texts[-1])
    assert raised.type is error
    assert len(server.asked) == asked
    assert ask(client, "ok") == 200, "the broken connection is gone"


def test_a_request_that_was_given_up_takes_its_connection_with_it(server: Server) -> None:
    client = Client(server.url, TEXTS)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        ask(client, "hang")
    assert ask(client, "ok") == 200
    assert server.connections == 2


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        ask(Client(f"http://127.0.0.1:{port}", TEXTS), "ok")


def test_a_name_may_have_several_addresses(server: Server) -> None:
    assert ask(Client(f"http://localhost:{server.port}", TEXTS), "ok") == 200


def test_an_unknown_name_is_the_users_mistake() -> None:
    with pytest.raises(OptbuildError, match=r"unknown server 'no\.such\.invalid'"):
        Client("http://no.such.invalid:3000", TEXTS)


def test_our_own_limits_are_not_the_servers_fault(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(24, "Too many open files")

    client = Client(server.url, TEXTS)
    monkeypatch.setattr(gevent.socket, "socket", exhausted)
    with pytest.raises(OutOfSockets, match="Too many open files"):
        ask(client, "ok")
