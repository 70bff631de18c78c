"""Bodies of POST /predict that must get a 400 with a reason, and never reach the model."""

import json

GARBAGE = {
    "nothing": b"",
    "not JSON": b"texts=good",
    "half of it": b'{"texts": ["a"',
    "not UTF-8": b'{"texts": ["\xff\xfe"]}',
    "null": b"null",
    "a list": b'["a"]',
    "a string": b'"a"',
    "another key": b'{"text": ["a"]}',
    "a string for the list": b'{"texts": "a"}',
    "a null list": b'{"texts": null}',
    "an object": b'{"texts": {"0": "a"}}',
    "an empty list": b'{"texts": []}',
    "a number in it": b'{"texts": ["a", 1]}',
    "a null in it": b'{"texts": [null]}',
    "a nested list": b'{"texts": [["a"]]}',
    "half a surrogate pair": b'{"texts": ["\\ud800"]}',
    "deep nesting": b'{"texts": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "a number of too many digits": b'{"texts": ' + b"9" * 5000 + b"}",
    "too many texts": json.dumps({"texts": ["a"] * 65}).encode(),
    "a byte-order mark in UTF-16": '{"texts": ["a"]}'.encode("utf-16") + b"\0",
}
