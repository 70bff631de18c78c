import sys
from pathlib import Path

# `garbage`, `fake_cgroups` and `played` are imported by name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))
