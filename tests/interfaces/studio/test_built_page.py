"""The page that is shipped is built from the sources that are here: no node, no browser."""

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "src/dreamsampler/interfaces/studio/static"
SOURCES = ROOT / "studio"


def hash_of_sources():
    names = [path.relative_to(SOURCES).as_posix() for path in (SOURCES / "src").rglob("*.*")]
    found = hashlib.sha256()
    for name in sorted([*names, "index.html", "package-lock.json"]):
        found.update(f"{name}\n".encode() + (SOURCES / name).read_bytes())
    return found.hexdigest()


def test_the_built_page_is_that_of_the_sources():
    assert (STATIC / "sources.sha256").read_text().strip() == hash_of_sources(), "run: make studio"


def test_all_files_of_the_page_are_there_and_none_is_elsewhere():
    page = (STATIC / "index.html").read_text()
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(names) == 3
    for name in names:
        assert (STATIC / name.removeprefix("/static/")).is_file(), name
    assert "<script>" not in page and "<style>" not in page  # the policy forbids them


def test_the_lock_names_no_registry():
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    assert lock["packages"]
    assert [name for name, each in lock["packages"].items() if "resolved" in each] == []
