"""The JSON of benchmarks/gpu.py as the tables of docs/models.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HEAD = (
    "| network, batch | diffusers s/step | ours s/step | bare calls s/step | over bare | "
    "diffusers GiB | ours GiB |\n|---|---|---|---|---|---|---|"
)


def compared(row: dict[str, Any]) -> str:
    """One network: the pipeline, the house, the bare calls."""
    times = [f"{row[f'{who}_s_per_step']:.4f}" for who in ("diffusers", "ours", "bare")]
    sizes = [f"{row[f'{who}_gib']:.2f}" for who in ("diffusers", "ours")]
    over = f"{row['overhead_percent']:+.1f} %"
    return f"| {' | '.join([row['row'], *times, over, *sizes])} |"


def main(arguments: list[str] | None = None) -> None:
    """Print what was measured, and name what was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    facts = json.loads(parser.parse_args(arguments).file.read_text())
    print(", ".join(f"{key} {value}" for key, value in facts["machine"].items()), "\n")
    print(HEAD)
    others = []
    for row in facts["rows"]:
        if "ours_s_per_step" in row:
            print(compared(row))
        else:
            others.append(row)
    for row in others:
        print("\n" + "; ".join(f"{key} {_short(value)}" for key, value in row.items()))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
