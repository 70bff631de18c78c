"""Cold starts from what an engine says; `test_docker` has a real one."""

import pytest

from builder.imaging import Made, as_values, image_lines
from deploy.coldstart import ColdStart, cold_start
from deploy.image import Image

IMAGE = Image("optbuild/s:1", "sha256:0", 10**8, "s:1", "base", "optbuild", True, 0.0)


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_the_making_of_the_container_is_told_apart(zone: str) -> None:
    facts = {
        "Created": f"1970-01-01T00:01:00.5{zone}",
        "State": {"StartedAt": f"1970-01-01T00:01:02.250000000{zone}"},
    }
    assert cold_start(facts, ready_s=66.0) == ColdStart(3.75, 5.5)


def test_both_are_told() -> None:
    made = Made(IMAGE, (ColdStart(3.0, 4.0), ColdStart(2.0, 9.0), ColdStart(5.0, 5.5)))
    text = "\n".join(image_lines(made))
    assert "3.0 s from the container's start" in text
    assert "2.0 to 5.0 s; 5.5 s with its creation" in text
    values = as_values(made)
    assert values["cold_starts_s"] == [3.0, 2.0, 5.0]
    assert values["cold_starts_with_creation_s"] == [4.0, 9.0, 5.5]
    assert "cold start" not in "\n".join(image_lines(Made(IMAGE)))
