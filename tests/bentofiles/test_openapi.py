"""The service against its own description: requests that schemathesis derives from `/docs.json`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.build import Request, build
from deploy.local import Server
from variants._spec import compose

pytestmark = pytest.mark.thorough

pytest.importorskip("schemathesis", reason="pip install 'optbuild[test]' brings schemathesis")

# Left out: the checks that hold an answer's status against the list in the description. BentoML
# writes that list, it cannot be added to, and it lacks 413, 415 and 503, an empty list of texts
# that is refused, and the methods of its own paths.
CHECKS = (
    "not_a_server_error,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection"
)


@pytest.fixture(scope="module", params=["onnx", "onnx+lean+microbatch"])
def server(home: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    model = Request(model="synthetic:roberta-tiny")
    bento = build(compose(request.param), model, lambda stage: None).path
    with Server(bento, home / "openapi.log") as running:
        yield running


def test_answers_are_those_that_the_description_promises(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/docs.json"),
            *("--url", server.url, "--checks", CHECKS, "--seed", "1", "--max-examples", "20"),
            *("--no-color", "--request-timeout", "30", "--generation-database", "none"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
