import sys
from pathlib import Path

# `fake_runs` and `garbage` are imported by name, whatever import mode pytest runs in.
for folder in ("analysis", "bentofiles"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
