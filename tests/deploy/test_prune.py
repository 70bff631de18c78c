from pathlib import Path

from deploy.recipes.prune import prune


def fill(venv: Path, *names: str) -> None:
    for name in names:
        path = venv / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 100)


def left(venv: Path) -> set[str]:
    return {path.relative_to(venv).as_posix() for path in venv.rglob("*") if path.is_file()}


def test_installers_tests_and_headers_go_and_the_rest_stays(tmp_path: Path) -> None:
    packages = "lib/python3.11/site-packages"
    stays = (
        "bin/python",
        "bin/bentoml",
        "bin/uvicorn",
        f"{packages}/bentoml/__init__.py",
        f"{packages}/bentoml/__pycache__/__init__.pyc",  # compiled once, here
        f"{packages}/bentoml-1.0.dist-info/METADATA",
        f"{packages}/pipeline/__init__.py",
        f"{packages}/data/tests/weights.bin",  # no package: data that is called so
        f"{packages}/numpy/core.so",
    )
    goes = (
        "bin/pip",
        "bin/pip3.11",
        "bin/uv",
        f"{packages}/pip/__init__.py",
        f"{packages}/pip-23.0.dist-info/METADATA",
        f"{packages}/setuptools/__init__.py",
        f"{packages}/distutils-precedence.pth",
        f"{packages}/numpy/tests/__init__.py",
        f"{packages}/numpy/tests/test_core.py",
        f"{packages}/numpy/core.pyi",
        f"{packages}/numpy/include/arrayobject.h",
    )
    fill(tmp_path, *stays, *goes)
    assert prune(tmp_path) == 100 * len(goes)
    assert left(tmp_path) == set(stays)
