"""What a hostile client sends, and what a server may answer to it."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

OK = frozenset({200})
BAD = frozenset({400, 404, 405, 408, 411, 413, 414, 415, 417, 422, 426, 431, 501})
EITHER = OK | BAD


@dataclass(frozen=True)
class Attack:
    """Pieces to send with a pause after each, and what may come back.

    `answers` are the statuses of a complete answer that are right; `least` answers must come.
    `leaves` closes the connection after the last piece: "reset", "half" (no more is sent, but the
    answer is read) or not at all.
    """

    pieces: Sequence[bytes]
    answers: frozenset[int]
    least: int = 0
    pause_s: float = 0.0
    leaves: str = ""


def head(length: int | str | None, *more: str, line: str = "POST /predict HTTP/1.1") -> bytes:
    lines = [line, "Host: x", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def request(body: bytes, *more: str) -> bytes:
    return head(len(body), *more) + body


def texts(*values: object) -> bytes:
    return json.dumps({"texts": values}).encode()


def wrapped(inner: bytes) -> bytes:
    return b'{"texts": [' + inner + b"]}"


def split(rng: random.Random) -> Attack:
    whole = request(texts("a film " * rng.randint(1, 200)))
    cuts = sorted(rng.sample(range(1, len(whole)), min(len(whole) - 1, rng.randint(1, 12))))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return Attack(pieces, OK, 1, pause_s=0.003)


def slow(rng: random.Random) -> Attack:
    whole = request(texts("slow"))
    return Attack([whole[at : at + 8] for at in range(0, len(whole), 8)], OK, 1, pause_s=0.02)


def stops(rng: random.Random) -> Attack:
    """Says more than it sends, and goes."""
    body = texts("half")
    return Attack([head(len(body) + rng.randint(1, 99)) + body], BAD, leaves=rng.choice(LEAVES))


def surplus(rng: random.Random) -> Attack:
    body = texts("short")
    return Attack([head(len(body) - rng.randint(1, 5)) + body], EITHER, 1, leaves="half")


def lengths(rng: random.Random) -> Attack:
    bad = rng.choice(["-1", "+5", "1_0", "0x10", "five", "1e3", "9" * 40, "5, 6", "\xb2", " "])
    return Attack([head(bad) + texts("x")], EITHER, leaves="half")


def two_lengths(rng: random.Random) -> Attack:
    body = texts("two")
    return Attack([head(len(body), "Content-Length: 3") + body], EITHER, leaves="half")


def large_head(rng: random.Random) -> Attack:
    size = rng.choice([10_000, 70_000, 300_000])
    extra = [f"X-{n}: y" for n in range(800)] if rng.random() < 0.5 else [f"X: {'y' * size}"]
    return Attack([request(texts("large"), *extra)], EITHER, leaves="half")


def large_body(rng: random.Random) -> Attack:
    size = rng.choice([1 << 20, 3 << 20])
    return Attack([request(texts("x" * size))], frozenset({413}), 1)


def not_json(rng: random.Random) -> Attack:
    body = rng.choice(
        [
            b"",
            b"\xff\xfe\x00",
            b"{",
            b'{"texts": ["a"]} trailing',
            b"[" * 100_000,
            b'{"texts":' * 20_000,
            wrapped(b'"\x00"'),
            wrapped(b'"\xed\xa0\x80"'),
            wrapped(b'"\xc3"'),
            wrapped(b'"\\ud800"'),
            wrapped(b'"\\udc00\\ud800"'),
            wrapped(b"1" * 10_000),
            wrapped(b"[" * 50_000),
            rng.randbytes(rng.randint(1, 300)),
        ]
    )
    return Attack([request(body)], BAD, 1)


def wrong_shape(rng: random.Random) -> Attack:
    body = rng.choice(
        [
            b"null",
            b"NaN",
            b'"texts"',
            b'{"texts": null}',
            b'{"texts": {}}',
            b'{"texts": "one"}',
            b'{"Texts": ["a"]}',
            texts(),
            texts(1),
            texts(None),
            texts(["a"]),
            texts(*["a"] * 65),
        ]
    )
    return Attack([request(body)], BAD, 1)


def odd_texts(rng: random.Random) -> Attack:
    short = ["", " ", "\x00", "\u202e", "\U0001f600" * 50, "e\u0301" * 99, "\n" * 500]
    # Eighteen times as long when normalized; and a pattern that looks for an end of the spaces.
    long = ["\ufdfa" * 20_000, " " * 60_000 + "a."]
    text = rng.choice([*short, *long])
    return Attack([request(texts(text, "a\x00b"))], OK, 1)


def pipelined(rng: random.Random) -> Attack:
    count = rng.randint(2, 6)
    return Attack([request(texts(f"number {n}")) for n in range(count)], OK, count)


def pipelined_mess(rng: random.Random) -> Attack:
    good = request(texts("good"))
    return Attack([good + request(b"{") + good + b"\x00\x01\r\n\r\n"], EITHER, 1, leaves="half")


def flood(rng: random.Random) -> Attack:
    count = rng.randint(10, 60)
    return Attack([b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * count], OK, count)


def offers(rng: random.Random) -> Attack:
    """What a client sends that would rather speak HTTP/2, with another request behind it."""
    more = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    body = texts("a film")
    pieces = [head(len(body), *more), body + request(texts("another"))]
    return Attack(pieces, OK, 2, pause_s=rng.choice([0.0, 0.01]))


def disconnects(rng: random.Random) -> Attack:
    return Attack([request(texts("gone " * rng.randint(1, 300)))], EITHER, leaves="reset")


def chunked(rng: random.Random) -> Attack:
    body = texts("chunks")
    cut = rng.randint(1, len(body) - 1)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:cut], body[cut:], b""))
    return Attack([head(None, "Transfer-Encoding: chunked") + chunks], OK, 1)


def bad_chunks(rng: random.Random) -> Attack:
    chunks = rng.choice([b"zz\r\n{}\r\n", b"-5\r\n", b"ffffffffffffffff\r\n{", b"5\r\n{}\r\n0\r\n"])
    more = rng.choice([(), ("Content-Length: 4",)])
    return Attack([head(None, "Transfer-Encoding: chunked", *more) + chunks], EITHER, leaves="half")


def first_line(rng: random.Random) -> Attack:
    line = rng.choice(
        [
            "GET /predict HTTP/1.1",
            "PUT /predict HTTP/1.1",
            "post /predict HTTP/1.1",
            "POST /predict/ HTTP/1.1",
            "POST //predict HTTP/1.1",
            "POST /predict%00 HTTP/1.1",
            "POST /../predict HTTP/1.1",
            "POST /\xff HTTP/1.1",
            "POST /predict HTTP/9.9",
            "POST /predict",
            "POST",
            "",
            "\x16\x03\x01\x02\x00\x01\x00",
        ]
    )
    body = texts("x")
    # A redirect to the path without the slash is Starlette's answer.
    return Attack([head(len(body), line=line) + body], EITHER | {307}, leaves="half")


def odd_headers(rng: random.Random) -> Attack:
    more = rng.choice(
        [
            "Content-Encoding: gzip",
            "Expect: 200-maybe",
            "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13"
            "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Content-Type: text/plain",
            "Cookie: \xff\xfe",
            "X: \x00",
            " folded: yes",
            "No colon",
            "traceparent: 00-zz-zz-zz",
            "Accept: \xe9/*;q=x",
        ]
    )
    return Attack([request(texts("x"), more)], EITHER, leaves="half")


def expects(rng: random.Random) -> Attack:
    body = texts("later")
    return Attack([head(len(body), "Expect: 100-continue"), body], OK, 1, pause_s=0.02)


LEAVES = ("reset", "half")
ATTACKS: tuple[Callable[[random.Random], Attack], ...] = (
    *(split, slow, stops, surplus, lengths, two_lengths, large_head, large_body, not_json),
    *(wrong_shape, odd_texts, pipelined, pipelined_mess, disconnects, chunked, bad_chunks),
    *(first_line, odd_headers, expects, flood, offers),
)
