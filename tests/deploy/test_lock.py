import importlib.metadata

from deploy.lock import pinned


def test_everything_that_a_requirement_pulls_in_is_pinned_to_what_is_installed() -> None:
    pins = pinned(["bentoml==1.4.39", "onnxruntime"])
    assert pins["bentoml"] == importlib.metadata.version("bentoml")
    assert {"starlette", "uvicorn", "attrs", "flatbuffers", "typing-extensions"} <= set(pins)
    assert "torch" not in pins
    assert list(pins) == sorted(pins)


def test_extras_pull_in_theirs() -> None:
    assert "h2" not in pinned(["httpx"])
    assert set(pinned(["requests"])) < set(pinned(["requests", "jinja2"]))


def test_what_is_not_installed_is_left_to_the_installer() -> None:
    assert pinned(["no-such-distribution==1"]) == {}
