"""The closed loop that a server is saturated by."""

from builder._peers_saturate import saturate
from deploy.fake import FakeTarget


def test_a_closed_loop_counts_answers_and_its_own_cpu_time() -> None:
    with FakeTarget(service_s=0.01) as target:
        found = saturate(target.url, ["a", "b"], connections=4, seconds=0.5, warm_s=0.1)
    assert 8 < found.answered <= 4 * 0.5 / 0.01 + 4
    assert 0 < found.rps <= found.answered / 0.5
    assert found.p50_s is not None and found.p50_s >= 0.01
    assert (found.errors, found.first_error) == (0, "")
    assert 0 < found.client_cpu_s < 0.01


def test_a_server_that_is_not_there_is_errors_and_no_hang() -> None:
    with FakeTarget() as target:
        gone = target.url
    found = saturate(gone, ["a"], connections=4, seconds=0.1, warm_s=0.0)
    assert (found.answered, found.rps, found.p50_s) == (0, 0.0, None)
    assert found.errors > 0
    assert "refused" in found.first_error
