import sys
from pathlib import Path

from hypothesis import settings

# `fake_runs` is imported by name, whatever import mode pytest runs in.
sys.path.insert(0, str(Path(__file__).parent))

# A busy machine is no failure: what these tests check does not depend on time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
