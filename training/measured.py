"""What was measured, kept in `measured.json`: the model card and the table read it."""

import json
from pathlib import Path

MEASURED = Path(__file__).with_name("measured.json")


def remember(key: str, name: str, row: dict, path: Path = MEASURED) -> None:
    """Put a result under key / name of measured.json."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    stored.setdefault(key, {})[name] = row
    path.write_text(json.dumps(stored, indent=1) + "\n")
