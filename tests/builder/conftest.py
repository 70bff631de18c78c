import sys
from pathlib import Path

# `fake_runs` is imported by name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
