from pathlib import Path

import kubernetes.client
import pytest
from fake_api import FakeCluster, Refusal

from deploy.apierrors import ApiError
from deploy.cluster import _KINDS, Cluster

OFFICIAL = Path(kubernetes.client.__file__).parent / "api"


@pytest.fixture(scope="module")
def official() -> str:
    """The official client, generated from the API's own description."""
    return "".join(path.read_text() for path in sorted(OFFICIAL.glob("*_v1_api.py")))


@pytest.mark.parametrize("kind", _KINDS)
def test_every_path_is_one_of_the_official_client_s(
    cluster: Cluster, official: str, kind: str
) -> None:
    cluster.namespace = "{namespace}"
    assert f"resource_path='{cluster._path(kind, '')}'" in official
    assert f"resource_path='{cluster._path(kind, '{name}')}'" in official


@pytest.mark.parametrize(("kind", "part"), [("Deployment", "scale"), ("Pod", "log")])
def test_so_are_the_parts_of_objects(cluster: Cluster, official: str, kind: str, part: str) -> None:
    cluster.namespace = "{namespace}"
    assert f"resource_path='{cluster._path(kind, '{name}')}/{part}'" in official


def test_what_is_not_there(cluster: Cluster) -> None:
    assert cluster.get("Service", "nothing") is None
    assert cluster.delete("Service", "nothing") is False
    with pytest.raises(ApiError, match="not found"):
        cluster.scale("nothing", 2)


def test_a_rehearsal_changes_nothing(fake: FakeCluster, cluster: Cluster) -> None:
    item = {"kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": {}}
    assert cluster.apply(item, dry_run=True)["metadata"]["name"] == "n"
    assert fake.names() == set()
    cluster.apply(item)
    assert fake.names() == {"networkpolicies/n"}


@pytest.mark.parametrize(
    ("status", "asked"), [(429, 4), (500, 4), (503, 4), (409, 4), (403, 1), (404, 1), (422, 1)]
)
def test_what_may_pass_is_asked_again(
    fake: FakeCluster, cluster: Cluster, status: int, asked: int
) -> None:
    pauses: list[float] = []
    cluster.sleep = pauses.append
    fake.refuse["GET", "pods"] = [Refusal(status, "no")] * 9
    with pytest.raises(ApiError) as error:
        cluster.select("Pod")
    assert error.value.status == status
    assert fake.requests.count(("GET", "pods")) == asked
    assert len(pauses) == asked - 1
    assert pauses == sorted(pauses)


def test_an_answer_that_is_not_the_api_s(
    fake: FakeCluster, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fake_api._status", lambda error: "<html>Bad\n\ngateway</html>")
    fake.refuse["GET", "pods"] = [Refusal(404, "")]
    with pytest.raises(ApiError, match="refuses to get Pod: <html>Bad gateway</html>"):
        cluster.select("Pod")
