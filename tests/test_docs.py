"""The documentation is true: its examples run, and what it points to exists."""

import functools
import re
import shutil
from pathlib import Path

import pytest
from tiny import TINY

import dreamsampler
import dreamsampler.models.load as load
from dreamsampler import methods, tasks

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]
OTHERS = [
    ROOT / "benchmarks" / "README.md",
    ROOT / "training" / "README.md",
    ROOT / "examples" / "README.md",
    ROOT / "src" / "dreamsampler" / "models" / "bundled" / "README.md",
]
"""Pages without examples, whose links and commands are held to the same."""
BLOCK = re.compile(r"(<!-- not run[^\n]*-->\n)?^```python\n(.*?)^```", re.M | re.S)
OWN = ROOT / "examples" / "bring_your_own"
QUICK = {
    "edit.md": {"Edit": {"num_inference_steps": 2, "size": 32}},
    "inpaint.md": {"Inpaint": {"num_inference_steps": 2, "size": 32}},
    "restore.md": {"Restore": {"num_inference_steps": 2, "size": 32}},
    "vectorize.md": {"Vectorize": {"paths": 4, "steps": 6, "num_inference_steps": 1, "loss": 0.0}},
    "reconstruct.md": {
        "Reconstruct": {"steps": 8, "num_inference_steps": 1, "resolution": 12, "deconvolve": False}
    },
}
"""Other defaults for examples that leave them out: their own take a minute."""
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
    made_of = {"RunningMean", "flow_share", "pds_weights"}
    assert [n for n in methods.__all__ if n not in made_of and f"`{n}`" not in text] == []


@pytest.fixture
def like_a_reader(tmp_path, monkeypatch):
    """An empty folder beside the examples; a tiny model stands in for the bundled one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "_BUNDLED", TINY)
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if examples(p)], ids=named)
def test_its_examples_run(page, like_a_reader, monkeypatch):
    """One after the other; where each is said to be a whole file, each alone."""
    for name, given in QUICK.get(page.name, {}).items():
        quick = functools.partial(getattr(tasks, name), **given)
        monkeypatch.setattr(tasks, name, quick)
        monkeypatch.setattr(dreamsampler, name, quick, raising=False)
    scope = {"__name__": "__main__"}
    for code in examples(page):
        alone = page.name == "CONTRIBUTING.md"
        small = code.replace("128, 128", "64, 64")  # pixels of what is restored and traced
        exec(compile(small, page.name, "exec"), dict(scope) if alone else scope)
    pictures = {"edit", "inpaint", "restore", "vectorize", "reconstruct"}
    assert page.stem not in pictures or (like_a_reader / f"{page.stem}.png").is_file()


def test_the_files_of_ones_own_are_those_that_are_shown():
    shown = examples(ROOT / "CONTRIBUTING.md")
    files = [path.read_text(encoding="utf-8") for path in OWN.glob("own_*.py")]
    assert sorted(shown) == sorted(files) and len(files) == 4


@pytest.mark.parametrize("page", PAGES + OTHERS, ids=str)
def test_the_tests_and_files_it_names_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"`(test_\w+)`", text)) <= TESTS
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES + OTHERS, ids=str)
def test_a_name_leads_to_the_file_that_defines_it(page):
    for name, link in re.findall(r"\[`([\w.]+)`\]\(([^)#]+\.py)\)", page.read_text("utf-8")):
        last = re.escape(name.split(".")[-1])
        text = (page.parent / link).read_text(encoding="utf-8")
        made = rf"^ *(?:def|class) {last}\b|^{last}\b.* = "
        assert re.search(made, text, re.M) or Path(link).stem == name, f"{name} is not in {link}"


def test_the_map_of_equations_leads_somewhere_with_every_name():
    text = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    rows = text.partition("| equation | function | test |")[2].partition("\n\n")[0]
    assert re.findall(r"(?<!\[)`[\w.]+`", rows) == []


@pytest.mark.parametrize("page", PAGES + OTHERS, ids=str)
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
