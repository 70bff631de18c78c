"""What the server's processes took during a run, as run.json sums it up."""

from dataclasses import dataclass

from analysis._fields import Fields


@dataclass(frozen=True)
class ServerUse:
    """CPU in seconds and as a share of the whole machine; the largest sum of resident memory."""

    cpu_s: float | None
    cpu_fraction_of_machine: float | None
    rss_max_bytes: float | None
    processes: float | None
    throttled_s: float | None
    samples: float | None


def parse_server_use(fields: Fields | None) -> ServerUse | None:
    """None where no processes were watched."""
    if fields is None:
        return None
    return ServerUse(
        cpu_s=fields.maybe_number("cpu_s"),
        cpu_fraction_of_machine=fields.maybe_number("cpu_fraction_of_machine"),
        rss_max_bytes=fields.maybe_number("rss_max_bytes"),
        processes=fields.maybe_number("processes"),
        throttled_s=fields.maybe_number("throttled_s"),
        samples=fields.maybe_number("samples"),
    )
