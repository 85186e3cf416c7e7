"""The documentation is true: its examples run, and what it points to exists."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from tiny import TINY

import dreamsampler.models.load as load
from dreamsampler import methods
from dreamsampler.faces import cli

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]
BLOCK = re.compile(r"(<!-- not run -->\n)?^```python\n(.*?)^```", re.M | re.S)
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in [path.stem, *re.findall(r"^def (test_\w+)", path.read_text(), re.M)]
}


def examples(page):
    return [code for skip, code in BLOCK.findall(page.read_text(encoding="utf-8")) if not skip]


def named(path):
    return path.name


def test_the_architecture_names_every_room_and_every_method():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "dreamsampler"
    rooms = [path for path in package.glob("*/*.py") if path.name != "__init__.py"]
    assert [path.name for path in rooms if f"`{path.name}`" not in text] == []
    floors = [path.parent.name for path in package.glob("*/__init__.py")]
    assert [name for name in floors if f"| `{name}/` |" not in text] == []
    made_of = {"Found", "flow_share", "pds_weights"}
    assert [n for n in methods.__all__ if n not in made_of and f"`{n}`" not in text] == []


@pytest.mark.parametrize("page", [p for p in PAGES if examples(p)], ids=named)
def test_its_examples_run(page, tmp_path, monkeypatch):
    """One after the other, like a reader; a tiny model stands in for the bundled one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "_BUNDLED", TINY)
    scope = {}
    for code in examples(page):
        exec(compile(code, page.name, "exec"), scope)


COMMANDS = [
    line
    for page in PAGES
    for line in re.findall(r"^dreamsampler ([\w-]+ .+)$", page.read_text(), re.M)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_the_program_takes(command):
    assert cli.parsed(shlex.split(command, comments=True))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_tests_and_files_it_names_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"`(test_\w+)`", text)) <= TESTS
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_its_headings_are_where_links_point(page):
    for name, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        target = (page.parent / name) if name else page
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
        anchors = {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}
        assert anchor in anchors


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_figure_is_left_open(page):
    """Drafts mark what is still to be measured."""
    assert "FIGURE" not in page.read_text(encoding="utf-8")
