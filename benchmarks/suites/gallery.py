"""The pictures of the pages of the tasks, made by the very scripts that the pages show.

    python -m benchmarks.gallery edit restore --out docs/images

runs the block under `<!-- gallery -->` of docs/edit.md and docs/restore.md, each in an empty folder
beside examples/, and keeps the edit.png and restore.png that they write. A minute or two each.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
PAGES = ("edit", "inpaint", "restore", "vectorize", "reconstruct")
SCRIPT = re.compile(r"^<!-- gallery -->\n```python\n(.*?)^```", re.M | re.S)


def script(page: str) -> str:
    """What a page shows as the making of its picture.

    Raises:
        ValueError: the page shows none, or several.
    """
    found = SCRIPT.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    if len(found) != 1:
        raise ValueError(f"docs/{page}.md has {len(found)} blocks under <!-- gallery -->, not one")
    return found[0]


def made(page: str, out: Path) -> Path:
    """Run a page's script and keep its picture."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT / "examples", "examples")
        exec(compile(script(page), f"docs/{page}.md", "exec"), {"__name__": "__main__"})
        return Path(shutil.copy(f"{page}.png", out / f"{page}.png"))


def main(arguments: list[str] | None = None) -> None:
    """Make the pictures of some pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", choices=[*PAGES, "all"], default="all")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "runs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for page in PAGES if "all" in options.pages else options.pages:
        print(made(page, out), flush=True)


if __name__ == "__main__":
    main()
