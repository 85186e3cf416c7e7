"""The scripts of `training/` import each other by name, as they do when they run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "training"))
