"""One request to a server of the HTTP contract."""

import http.client
import json
from collections.abc import Sequence
from typing import Any

from variants._errors import OptbuildError

Answer = list[dict[str, Any]]
MOST_SAID = 200  # characters of a reason


class Refused(OptbuildError):
    """The server is busy, and says so."""


def predict(url: str, texts: Sequence[str], timeout_s: float = 30.0) -> Answer:
    """What a server answers to these texts; raises OptbuildError if that is no answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    try:
        body = json.dumps({"texts": list(texts)})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            kind = Refused if answer.status in (429, 503) else OptbuildError
            raise kind(f"status {answer.status}: {reason(content)}", exit_code=1)
        found: Answer = json.loads(content)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise OptbuildError(f"{type(error).__name__}: {error}", exit_code=1) from error
    finally:
        connection.close()
    return found


def reason(content: bytes) -> str:
    """What the body of an answer says went wrong: the contract's `error`, else its beginning."""
    try:
        said = json.loads(content)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        said = content.decode(errors="replace")
    return " ".join(str(said).split())[:MOST_SAID] or "no reason given"
