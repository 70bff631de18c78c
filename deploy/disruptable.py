"""What a disruption may ask of a target: one small protocol for each kind of trouble.

A target offers those that it can really do; a disruption names the one that it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from variants._errors import OptbuildError


class NotSettled(OptbuildError):
    """The replicas did not become as they should within their time: a result, not a mistake."""


What = Literal["created", "ready", "unready", "terminating", "killed", "restarted", "gone"]


@dataclass(frozen=True)
class ReplicaEvent:
    """Something that happened to a replica; `at_s` on CLOCK_MONOTONIC.

    `killed`: its process ended without being given time (a kill that we ordered, or a death that
    was noticed); `restarted`: the same replica has a new process; `gone`: it does not come back.
    """

    at_s: float
    replica: str
    what: What
    detail: str = ""


class Disruptable(Protocol):
    """A target made of replicas that it replaces and restarts by itself."""

    @property
    def url(self) -> str:
        """Base URL of all replicas together."""
        ...

    @property
    def wanted(self) -> int:
        """How many replicas there should be."""
        ...

    def replicas(self) -> tuple[str, ...]:
        """Names of the replicas that are ready, oldest first."""
        ...

    def timeline(self) -> tuple[ReplicaEvent, ...]:
        """Everything that happened to replicas so far, in order of time."""
        ...

    def served(self) -> Mapping[int, str]:
        """Which replica had each numbered request (X-Request-ID); empty if nobody can tell."""
        ...


@runtime_checkable
class CanDelete(Disruptable, Protocol):
    """Replicas can be taken away, as `kubectl delete pod` does; the target makes new ones."""

    def delete(self, replica: str, grace_s: float | None) -> None:
        """Take a replica away, return when it is gone; None is the target's own grace period.

        With a grace of 0 it is killed at once.
        """
        ...


@runtime_checkable
class CanKill(Disruptable, Protocol):
    """The process inside a replica can be killed, without the target being told."""

    def kill(self, replica: str) -> None:
        """SIGKILL to the replica's process; return at once."""
        ...


@runtime_checkable
class CanRoll(Disruptable, Protocol):
    """All replicas can be replaced by new ones, a rolling update."""

    def roll(self) -> None:
        """Replace every replica; return when the last old one is gone."""
        ...


@runtime_checkable
class CanScale(Disruptable, Protocol):
    """The number of replicas can be changed."""

    def scale(self, count: int) -> None:
        """Want so many replicas; return when there are exactly that many, all ready."""
        ...

    def scale_back(self) -> None:
        """Want as many as at first, and return at once; harmless if that is so."""
        ...


@runtime_checkable
class CanStress(Disruptable, Protocol):
    """Something else can compete for a replica's processors."""

    def stress(self, replica: str) -> None:
        """Start to burn as much CPU time as the replica's place allows."""
        ...

    def unstress(self) -> None:
        """End that; harmless if there is none."""
        ...


@runtime_checkable
class CanExhaust(Disruptable, Protocol):
    """A replica's memory limit can be lowered until the kernel kills its server."""

    def exhaust_memory(self, replica: str) -> None:
        """Lower the limit and fill the rest; return when the kernel has killed."""
        ...

    def restore_memory(self) -> None:
        """Undo that; harmless if there is nothing to undo."""
        ...


@runtime_checkable
class CanCut(Disruptable, Protocol):
    """The network between clients and a replica can be cut."""

    def cut(self, replica: str) -> None:
        """From now on no byte passes; connections stay open."""
        ...

    def mend(self) -> None:
        """Let bytes pass again, those that were held back first; harmless if nothing is cut."""
        ...


@runtime_checkable
class CanSlow(Disruptable, Protocol):
    """The network between clients and a replica can be slowed down."""

    def slow(self, replica: str, by_s: float) -> None:
        """From now on each request to it takes so much longer on its way."""
        ...

    def unslow(self) -> None:
        """End that; harmless if nothing is slowed."""
        ...


@runtime_checkable
class CanDrain(Disruptable, Protocol):
    """A node can be emptied and closed."""

    def drain(self, replica: str) -> None:
        """Close the node that the replica is on and evict its replicas, as far as that is allowed.

        What keeps the last replicas from going may do so for now only.
        """
        ...

    def drain_on(self) -> None:
        """Evict those that were kept; harmless if none was, or if they are kept again."""
        ...

    def uncordon(self) -> None:
        """Open the node again unless it was closed before; harmless if it is open."""
        ...
