import pytest

from builder.closed_loop import throughput, warm_up
from deploy.fake import FakeTarget
from deploy.local import free_port
from variants._errors import OptbuildError


def test_several_servers_share_the_connections() -> None:
    with FakeTarget() as one, FakeTarget() as two:
        warm_up(f"{one.url},{two.url}", ["a film"], connections=1, seconds=0.0, least=8)
        assert throughput(f"{one.url},{two.url}", ["a film"], connections=4, seconds=0.3) > 0


def test_each_of_several_servers_must_answer() -> None:
    nobody = f"http://127.0.0.1:{free_port('127.0.0.1', 0)}"
    with FakeTarget() as one, pytest.raises(OptbuildError, match="refused"):
        warm_up(f"{one.url},{nobody}", ["a film"], connections=1, seconds=0.5, least=1)
