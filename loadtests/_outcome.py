"""What an HTTP answer counts as."""

import json

from analysis.records import OK, REJECTED, UNAVAILABLE, WRONG

_BY_STATUS = {429: REJECTED, 503: UNAVAILABLE}


def outcome_of(status: int, body: bytes) -> int:
    """Code of the outcome (analysis.records.OUTCOMES) of the answer to a request for one text."""
    if status != 200:
        return _BY_STATUS.get(status, WRONG)
    try:
        predictions = json.loads(body)
    except (ValueError, RecursionError):
        return WRONG
    if not isinstance(predictions, list) or len(predictions) != 1:
        return WRONG
    return OK if _is_prediction(predictions[0]) else WRONG


def _is_prediction(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    score = item.get("score")
    number = isinstance(score, int | float) and not isinstance(score, bool)
    return number and isinstance(item.get("label"), str)
