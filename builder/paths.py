"""Where things are kept: the toolkit's cache and BentoML's store."""

import os
from pathlib import Path

BUNDLED_MODEL = Path(__file__).parent / "bundled"


def cache_dir() -> Path:
    """The toolkit's cache: `OPTBUILD_CACHE`, else `optbuild` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("OPTBUILD_CACHE") or f"{base}/optbuild").expanduser()


def bentoml_home() -> Path:
    """BentoML's home, with the store of Bentos in `bentos/`."""
    return Path(os.environ.get("BENTOML_HOME") or "~/bentoml").expanduser()
