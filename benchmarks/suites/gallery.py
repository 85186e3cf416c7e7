"""The pictures of the pages of the tasks, made by the very scripts that the pages show.

The block under `<!-- gallery -->` of docs/edit.md runs in an empty folder beside examples/, and the
edit.png that it writes is kept; likewise for the other pages. A minute or two each.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
PAGES = ("edit", "inpaint", "restore", "vectorize", "reconstruct")
SCRIPT = re.compile(r"^<!-- gallery -->\n```python\n(.*?)^```", re.M | re.S)


def script(page: str) -> str:
    """The script of a page.

    Raises:
        ValueError: the page has none, or several.
    """
    scripts = SCRIPT.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    if len(scripts) != 1:
        raise ValueError(
            f"docs/{page}.md has {len(scripts)} blocks under <!-- gallery -->, not one"
        )
    return scripts[0]


def made(page: str, out: Path) -> Path:
    """Run a page's script and keep its picture."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT / "examples", "examples")
        exec(compile(script(page), f"docs/{page}.md", "exec"), {"__name__": "__main__"})
        return Path(shutil.copy(f"{page}.png", out / f"{page}.png"))


def main(pages: tuple[str, ...] = PAGES, out: Path = ROOT / "benchmarks" / "runs") -> None:
    """Make the pictures of some pages.

    Args:
        pages: which.
        out: folder of the pictures.
    """
    torch.set_num_threads(1)
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for page in pages:
        print(made(page, out), flush=True)
