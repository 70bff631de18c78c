import sys
from pathlib import Path

# `fake_runs` and `garbage` are imported by name, whatever import mode pytest runs in.
for folder in ("analysis", "bentofiles", "builder"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

from peer_standins import scripts, stand_ins  # noqa: E402  # found on the path above

__all__ = ["scripts", "stand_ins"]  # fixtures
