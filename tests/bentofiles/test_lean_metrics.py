from prometheus_client import CollectorRegistry, Histogram, generate_latest

from bentofiles.lean_metrics import CAUSES, SECONDS, Metrics, _observe


def test_many_amounts_at_a_time_count_as_one_by_one() -> None:
    amounts = [0.0, 0.0005, 0.001, 0.0011, 0.01, 0.24, 10.0, 11.0, 4000.0]
    pages = []
    for together in (True, False):
        registry = CollectorRegistry()
        histogram = Histogram("seconds", "Seconds", buckets=SECONDS, registry=registry)
        if together:
            _observe(histogram, amounts)
        else:
            for amount in amounts:
                histogram.observe(amount)
        page = generate_latest(registry).decode().splitlines()
        pages.append([line for line in page if not line.startswith("seconds_created")])
    assert pages[0] == pages[1]


def test_what_has_not_happened_yet_is_on_the_page_as_a_zero() -> None:
    page = Metrics().page()[0].decode()
    for status in (200, 400, 500, 503):
        assert f'optbuild_requests_total{{status="{status}"}} 0.0' in page
    for cause in CAUSES:
        assert f'optbuild_rejected_total{{reason="{cause}"}} 0.0' in page
