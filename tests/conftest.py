import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache and a BentoML store of this session's own, in a path with a space."""
    folder = tmp_path_factory.mktemp("a home")
    before = dict(os.environ)
    os.environ["OPTBUILD_CACHE"] = str(folder / "cache")
    os.environ["BENTOML_HOME"] = str(folder / "bentoml")
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    yield folder
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Child processes get Ctrl-C, even if this session runs in the background and ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
