"""Kustomize's strategic merge, as far as our overlays need it."""

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Object:
    """A copy of `base` with `patch` laid over it, neither of them changed.

    Mappings are merged, lists of named things (containers, variables) by name, and anything else
    is replaced. None takes a key away.
    """
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged_value(merged.get(key), value)
    return merged


def _merged_value(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return merge(old, new)
    if _named(old) and _named(new):
        by_name = {item["name"]: item for item in old}
        for item in new:
            by_name[item["name"]] = merge(by_name.get(item["name"], {}), item)
        return list(by_name.values())
    return new


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and "name" in item for item in value
    )
