"""The documentation is true: its examples run, and what it points to exists."""

import functools
import inspect
import re
import runpy
import shutil
from pathlib import Path

import pytest
from tiny import TINY

import dreamsampler.models.familiar as familiar
import dreamsampler.models.source as source
from dreamsampler import tasks
from dreamsampler.methods.registry import METHODS
from dreamsampler.models.network import NetworkPrior

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]
OTHERS = [
    ROOT / "benchmarks" / "README.md",
    ROOT / "training" / "README.md",
    ROOT / "examples" / "README.md",
    ROOT / "src" / "dreamsampler" / "models" / "bundled" / "README.md",
]
"""Pages without examples, whose links and commands are held to the same."""
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES + OTHERS}
BLOCK = re.compile(r"(<!-- not run[^\n]*-->\n)?^```python\n(.*?)^```", re.M | re.S)
SMALLER = {"128": "32", "downsample(4)": "downsample(2)", "in MEASURED": "in MEASURED[4:]"}
"""What tests change in scripts."""
SCRIPTS = sorted((ROOT / "examples").rglob("*.py"))
QUICK = {
    "Edit": {"num_inference_steps": 2, "size": 32},
    "Inpaint": {"num_inference_steps": 2, "size": 32},
    "Restore": {"num_inference_steps": 1, "size": 32},
    "Vectorize": {"paths": 4, "fit_steps": 6, "num_inference_steps": 1, "loss": 0.0, "size": 32},
    "Reconstruct": {
        "fit_steps": 6,
        "update_steps": 2,
        "num_inference_steps": 1,
        "resolution": 12,
        "deconvolve": False,
        "turntable": 2,
    },
}
"""Other defaults for examples that leave them out: their own take a minute."""


def examples(page):
    return [code for skip, code in BLOCK.findall(TEXTS[page]) if not skip]


def test_the_architecture_names_every_package_and_every_method():
    text = TEXTS[ROOT / "docs" / "architecture.md"]
    packages = (ROOT / "src" / "dreamsampler").glob("*/__init__.py")
    assert [path.parent.name for path in packages if f"`{path.parent.name}/`" not in text] == []
    assert [each.name for each in METHODS if f"`{each.name}`" not in text] == []


@pytest.fixture
def like_a_reader(tmp_path, monkeypatch):
    """An empty folder beside the examples, a tiny model for the bundled one, fewer steps."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(source._SHIPPED, "iconic", TINY)
    monkeypatch.setattr(familiar, "STRANGE", float("inf"))  # nothing is familiar to random weights
    monkeypatch.setattr(NetworkPrior, "native_size", 32)
    monkeypatch.setattr(tasks.Vectorize, "_check_kind", lambda task: None)  # all seems given
    for name, options in QUICK.items():
        init = getattr(tasks, name).__init__
        fields = list(inspect.signature(init).parameters.values())
        defaults = [options.get(p.name, p.default) for p in fields if p.default is not p.empty]
        monkeypatch.setattr(init, "__defaults__", tuple(defaults))
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if examples(p)], ids=lambda page: page.name)
def test_its_examples_run(page, like_a_reader):
    """One after the other, as a reader would."""
    scope = {"__name__": "__main__"}
    for code in examples(page):
        exec(compile(code, page.name, "exec"), scope)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs(path, like_a_reader):
    script = like_a_reader / path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    script.write_text(text, encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert path.parent.name == "bring_your_own" or (like_a_reader / f"{path.stem}.png").is_file()


def test_the_tests_files_and_headings_that_pages_name_exist():
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in [path.stem, *re.findall(r"^def (test_\w+)", path.read_text(), re.M)]
    }
    missing = []
    for page, text in TEXTS.items():
        missing += [(page.name, name) for name in set(re.findall(r"`(test_\w+)`", text)) - tests]
        for name, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
            target = page.parent / name if name else page
            if not target.exists():
                missing.append((page.name, name))
            elif anchor and anchor not in anchors(target):
                missing.append((page.name, f"{name}#{anchor}"))
    assert missing == []


@functools.cache
def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_a_name_leads_to_the_file_that_defines_it():
    wrong = []
    for page, text in TEXTS.items():
        for name, link in re.findall(r"\[`([\w.]+)`\]\(([^)#]+\.py)\)", text):
            last = re.escape(name.split(".")[-1])
            source = (page.parent / link).read_text(encoding="utf-8")
            made = rf"^ *(?:def|class) {last}\b|^{last}\b.* = "
            if not re.search(made, source, re.M) and name not in (Path(link).stem, Path(link).name):
                wrong.append(f"{page.name}: {name} is not in {link}")
    assert wrong == []


def test_the_map_of_equations_leads_somewhere_with_every_name():
    text = TEXTS[ROOT / "docs" / "method.md"]
    rows = text.partition("| equation | function | test |")[2].partition("\n\n")[0]
    assert re.findall(r"(?<!\[)`[\w.]+`", rows) == []


def test_the_readme_is_read_in_a_minute():
    text = TEXTS[ROOT / "README.md"]
    assert len(text.split()) <= 700
    assert text[: text.index("```python")].count("\n") < 40
