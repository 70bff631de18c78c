"""Images, with an engine that answers but has no containers; `test_docker` has a real one."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from fake_engine import BASE, FakeEngine

from deploy.engine import connect
from deploy.image import Image, Options, image
from deploy.load_image import load_image
from deploy.recipe import Bento
from variants._errors import OptbuildError

DONE = [{"stream": "Step 1/2 : FROM base:1\n"}, {"stream": "Successfully built 1\n"}]


@pytest.fixture
def bento(tmp_path: Path) -> Bento:
    folder = tmp_path / "a bento"
    (folder / "src" / "__pycache__").mkdir(parents=True)
    (folder / "src" / "__pycache__" / "service.pyc").touch()
    (folder / "env" / "docker").mkdir(parents=True)
    (folder / "env" / "docker" / "entrypoint.sh").write_text("#!/usr/bin/env bash\n")
    own = "\n# generated\nFROM python:3.11-slim AS base-container\nRUN own\n"
    (folder / "env" / "docker" / "Dockerfile").write_text(own)
    (folder / "src" / "variant.json").write_text(json.dumps({"requirements": ["numpy"]}))
    return Bento("classifier:1", folder)


def make(engine: FakeEngine, bento: Bento, by: Any = "optbuild", **options: Any) -> Image:
    chosen = Options(base=BASE, engine=engine.address, **options)
    with connect(engine.address) as client:
        return image(client, bento, chosen, lambda stage: None, by)


def archive(engine: FakeEngine) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(engine.contexts[-1]))


def read(engine: FakeEngine, name: str) -> str:
    file = archive(engine).extractfile(name)
    assert file is not None
    return file.read().decode()


def test_the_second_call_finds_the_image(bento: Bento) -> None:
    with FakeEngine(DONE, built=True) as engine:
        first, second = make(engine, bento), make(engine, bento)
    assert (first.cached, second.cached) == (False, True)
    assert first.reference == second.reference
    assert first.reference.startswith("optbuild/classifier:")
    assert len(engine.contexts) == 1


def test_the_tag_changes_with_what_is_in_the_image(bento: Bento) -> None:
    with FakeEngine(DONE, built=True) as engine:
        references = {
            make(engine, bento).reference,
            make(engine, bento, by="bentoml").reference,
            make(engine, Bento("classifier:2", bento.path)).reference,
        }
        same = make(engine, bento, network="host", wheels=(bento.path,)).reference
    assert len(references) == 3
    assert same in references


def test_the_load_image_holds_the_scenarios_and_how_their_results_come_back() -> None:
    with FakeEngine(DONE, built=True) as engine, connect(engine.address) as client:
        options = Options(base=BASE, engine=engine.address)
        names = [load_image(client, options, lambda stage: None) for _ in range(2)]
    assert len(engine.contexts) == 1
    assert names[0] == names[1]
    assert names[0].startswith("optbuild/load:")
    inside = archive(engine).getnames()
    for needed in ("loadtests/steady.py", "loadtests/_http.py", "analysis/records.py"):
        assert f"code/{needed}" in inside
    assert "code/deploy/generate.py" in inside
    assert not [name for name in inside if "bento" in name or name.startswith("code/builder")]
    assert "pyarrow==" in read(engine, "build/constraints.txt")
    dockerfile = read(engine, "Dockerfile")
    assert "--requirement /build/requirements.txt" in dockerfile
    assert dockerfile.count(f"FROM {BASE}") == 2


def test_the_context_holds_the_bento_and_where_to_install_from(
    bento: Bento, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("certificates")
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://index.test/simple\n")
    for name in ("numpy-2.4.6-cp311-none-any.whl", "torch-2.0-py3-none-any.whl", "odd.whl"):
        (tmp_path / name).touch()
    with FakeEngine(DONE, built=True) as engine:
        make(
            engine,
            bento,
            network="host",
            ca_bundle=tmp_path / "ca.pem",
            pip_conf=tmp_path / "pip.conf",
            wheels=(tmp_path,),
        )
    modes = {entry.name: entry.mode for entry in archive(engine).getmembers()}
    assert modes["bento/env/docker/entrypoint.sh"] == 0o755
    assert not [name for name in modes if "__pycache__" in name]
    wheels = {name for name in modes if name.endswith(".whl")}
    assert wheels == {"build/wheels/numpy-2.4.6-cp311-none-any.whl"}  # what it needs, no more
    assert read(engine, "build/ca-bundle.pem") == "certificates"
    assert "index.test" in read(engine, "build/pip.conf")
    assert read(engine, "build/constraints.txt").startswith("numpy==")
    assert "networkmode=host" in engine.queries[-1]
    final = read(engine, "Dockerfile").rpartition("\nFROM ")[2]
    assert "/build" not in final.replace("--from=build", "")  # nothing of it ends in the image
    assert "USER 1034" in final


def test_without_certificates_none_are_set(bento: Bento, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").touch()
    with FakeEngine(DONE, built=True) as engine:
        make(engine, bento, pip_conf=tmp_path / "pip.conf")
    assert "PIP_CERT" not in read(engine, "Dockerfile")


def test_bentomls_recipe_is_its_own_on_our_base(bento: Bento) -> None:
    with FakeEngine(DONE, built=True) as engine:
        make(engine, bento, by="bentoml")
    text = read(engine, "Dockerfile")
    assert f"FROM {BASE} AS base-container" in text
    assert "RUN own" in text
    assert "python:3.11-slim" not in text
    names = archive(engine).getnames()
    assert names.count("Dockerfile") == 1
    assert "src/variant.json" in names


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("SSLError(CERTIFICATE_VERIFY_FAILED)", "--ca-bundle"),
        ("Temporary failure in name resolution", "--network host"),
        ("ERROR: No matching distribution found for numpy==9", "--wheels"),
        ("The virtual environment was not created: ensurepip is not available", "python3-venv"),
        ("write /app: no space left on device", "docker system prune"),
        ("something else", "something else"),
    ],
)
def test_a_failure_has_the_engines_last_lines_and_a_remedy(
    bento: Bento, said: str, remedy: str
) -> None:
    lines = [
        {"stream": f"\x1b[91m{said}\n"},
        {"stream": "\x1b[0m"},
        {"error": "The command returned a non-zero code: 1"},
    ]
    with FakeEngine(lines) as engine, pytest.raises(OptbuildError) as caught:
        make(engine, bento)
    assert caught.value.exit_code == 1
    assert remedy in str(caught.value)
    assert "non-zero code: 1" in str(caught.value)
    assert not {"\n", "\x1b"} & set(str(caught.value))


def test_a_build_without_an_image_is_a_failure(bento: Bento) -> None:
    with FakeEngine(DONE) as engine, pytest.raises(OptbuildError, match="cannot be built"):
        make(engine, bento)


def test_an_engine_that_goes_away_in_the_middle_is_a_line(bento: Bento) -> None:
    with FakeEngine(DONE, breaks=True) as engine, pytest.raises(OptbuildError) as caught:
        make(engine, bento)
    assert "engine" in str(caught.value)
    assert "broke off" in str(caught.value)
    assert "start it" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_base_image_that_is_nowhere_is_a_line(bento: Bento) -> None:
    with FakeEngine(DONE, base=False) as engine, pytest.raises(OptbuildError, match="--base-image"):
        make(engine, bento)


def test_no_engine_is_a_line(tmp_path: Path) -> None:
    for address in (f"unix://{tmp_path}/none.sock", "tcp://127.0.0.1:9"):
        with pytest.raises(OptbuildError, match="start it") as caught, connect(address):
            pass
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)
