"""The objects of a fake cluster, their versions, and who watches them."""

import copy
import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]  # plural, name


class Store:
    """Everything happens under `changed`, as in etcd's single log of revisions."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[Key, Object] = {}
        self.version = 100
        self.log: list[tuple[int, str, str, Object]] = []  # version, plural, kind of change, object
        self.closed = False

    def get(self, plural: str, name: str) -> Object | None:
        return self.objects.get((plural, name))

    def all(self, plural: str) -> list[Object]:
        return [item for (kind, _), item in self.objects.items() if kind == plural]

    def put(self, plural: str, item: Object) -> Object:
        """Store a new state, if it is one."""
        with self.changed:
            key = (plural, item["metadata"]["name"])
            old = self.objects.get(key)
            if old is not None and _without_version(old) == _without_version(item):
                return old
            item = copy.deepcopy(item)
            if old is None:
                item["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
            if "spec" in item:
                same = old is not None and old["spec"] == item["spec"]
                generation = 0 if old is None else old["metadata"]["generation"]
                item["metadata"]["generation"] = generation if same else generation + 1
            self.objects[key] = item
            self._write(plural, "MODIFIED" if old else "ADDED", item)
            return item

    def drop(self, plural: str, name: str) -> Object | None:
        with self.changed:
            item = self.objects.pop((plural, name), None)
            if item is not None:
                self._write(plural, "DELETED", item)
            return item

    def _write(self, plural: str, change: str, item: Object) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.log.append((self.version, plural, change, copy.deepcopy(item)))
        self.changed.notify_all()

    def changes(self, plural: str, since: int, timeout_s: float) -> Iterator[tuple[str, Object]]:
        """Changes after a version, as they happen, until the time is up or the cluster is gone."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            with self.changed:
                new = [entry for entry in self.log if entry[0] > since and entry[1] == plural]
                if not new:
                    left_s = deadline_s - time.monotonic()
                    if self.closed or left_s <= 0 or not self.changed.wait(left_s):
                        return
                    continue
            for version, _, change, item in new:
                since = version
                yield change, item


def selected(item: Object, labels: str, fields: str) -> bool:
    """Whether an object has these labels (equality only) and these fields."""
    own = item["metadata"].get("labels", {})
    wanted = dict(part.split("=", 1) for part in labels.split(",") if part)
    for path, value in (part.split("=", 1) for part in fields.split(",") if part):
        found: Any = item
        for key in path.split("."):
            found = found.get(key, {})
        if found != value:
            return False
    return wanted.items() <= own.items()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _without_version(item: Object) -> str:
    metadata = {k: v for k, v in item["metadata"].items() if k != "resourceVersion"}
    return json.dumps({**item, "metadata": metadata}, sort_keys=True)
