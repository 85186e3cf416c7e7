"""The rules of the house that no linter knows."""

import ast
import doctest
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import torch

import dreamsampler
from dreamsampler.maths import Level, to_estimate

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "dreamsampler"
SOURCES = sorted(
    path
    for folder in ("src", "training", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if "runs" not in path.relative_to(ROOT).parts
)
MODULES = [path for path in SOURCES if path.is_relative_to(PACKAGE)]
FLOORS = [path.parent for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE]
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "core"}
HEAVY = {"torch", "numpy", "diffusers", "transformers", "gradio", "ray", "tyro", "rich"}
DATA = {"Estimate", "Level", "Step", "Schedule"}
OURS = DATA | {"covered", "draw", "generators", "hold", "keep", "weigh"}
"""Exported mathematics that has no source: the house's own words."""


def named(path):
    return str(path.relative_to(ROOT))


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def tracked():
    """Text files that git knows; none outside a checkout."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(git, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def ruffs_order(names):
    """SCREAMING, then Camel, then lower, each by the alphabet."""
    return sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_is_short_and_so_are_its_functions(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = node.body[0] if ast.get_docstring(node) else None
            words = told.end_lineno - told.lineno + 1 if told else 0
            lines = node.end_lineno - node.lineno + 1 - words
            assert lines < 40, f"{node.name} has {lines} lines without its docstring"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_says_what_it_is(path):
    assert VAGUE.isdisjoint({*path.relative_to(ROOT).with_suffix("").parts})
    words = ast.get_docstring(tree(path))
    assert words and words.splitlines()[0].endswith((".", ":"))


OPEN = ("Protocol", "ABC", "NamedTuple", "Error", "Warning", "Interrupt")


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_classes_are_abstract_or_final_and_options_have_names(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            final = any(ast.unparse(each) == "final" for each in node.decorator_list)
            assert final or any(ast.unparse(base).endswith(OPEN) for base in node.bases), node.name
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert node.args.kwarg is None, f"{node.name} takes any option at all"


@pytest.mark.parametrize("floor", FLOORS, ids=named)
def test_a_floor_exports_what_it_imports_in_order(floor):
    front = floor / "__init__.py"
    own = [n for n in tree(front).body if isinstance(n, ast.Assign | ast.AnnAssign)]
    targets = [n.target if isinstance(n, ast.AnnAssign) else n.targets[0] for n in own]
    names = {t.id for t in targets if isinstance(t, ast.Name)} - {"__all__"}
    for node in tree(front).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("dreamsampler"):
            names |= {alias.asname or alias.name for alias in node.names}
    module = import_module(module_name(front))
    exported = getattr(module, "__all__", [])
    assert exported == ruffs_order(exported)
    assert set(exported) == {name for name in names if not name.startswith("_")}
    assert all(hasattr(module, name) for name in exported)


def test_the_lazy_table_is_the_front_door():
    """`_HOMES`, `__all__` and the imports that only type checkers read name the same things."""
    typed = {}
    for node in ast.walk(tree(PACKAGE / "__init__.py")):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("dreamsampler."):
            typed |= {a.name: node.module.removeprefix("dreamsampler.") for a in node.names}
    assert typed == dreamsampler._HOMES
    assert dreamsampler.__all__ == list(dreamsampler._HOMES) == ruffs_order(dreamsampler._HOMES)
    for name in dreamsampler.__all__:
        assert getattr(dreamsampler, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'dreem'"):
        _ = dreamsampler.dreem


def exports():
    """(where, name, object) of every exported function and class, once each."""
    found = {}
    for floor in FLOORS:
        module = import_module(module_name(floor / "__init__.py"))
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if callable(value) and getattr(value, "__module__", "").startswith("dreamsampler"):
                found[floor.name, name] = value
    for name in dreamsampler.__all__:
        found["front", name] = getattr(dreamsampler, name)
    return [(floor, name, value) for (floor, name), value in found.items()]


@pytest.mark.parametrize(
    ("floor", "name", "value"), [pytest.param(*e, id=f"{e[0]}.{e[1]}") for e in exports()]
)
def test_an_export_is_documented(floor, name, value):
    words = value.__doc__ or ""
    first = words.strip().split("\n", 1)[0]
    assert first[:1].isupper() and first.endswith((".", ":")), f"no sentence: {first!r}"
    if floor == "methods" or (floor == "maths" and name not in OURS):
        assert "Source:" in words


@pytest.mark.parametrize(
    "path", [p for p in MODULES if ">>> " in p.read_text(encoding="utf-8")], ids=named
)
def test_examples_in_docstrings_run(path):
    """Read from the file, since doctest does not see through what `shapes` wraps."""
    module, runner = import_module(module_name(path)), doctest.DocTestRunner()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            words, name = ast.get_docstring(node) or "", getattr(node, "name", path.stem)
            line = node.body[0].lineno if node.body else 0
            scope = {**vars(module), "__name__": module.__name__}
            runner.run(doctest.DocTestParser().get_doctest(words, scope, name, str(path), line))
    assert runner.failures == 0


@pytest.mark.parametrize(
    "module", ["dreamsampler", "dreamsampler.tasks", "dreamsampler.interfaces.cli.main"]
)
def test_importing_it_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(seen.stdout.split())


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == dreamsampler.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", citation, re.M).group(1) == dreamsampler.__version__


def test_shapes_are_checked_in_tests():
    """Without the checks of `shapes.py` this would broadcast."""
    with pytest.raises(TypeError, match="b=1"):
        to_estimate(torch.ones(1, 2), torch.ones(2, 2), Level(0.5, 0.6, 0.8), "v")


NOT_HERE = {
    "a reminder instead of an issue": r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b",
    "a folder of one machine": r"(?<![\w.~$}])/(?:wo" r"rk|ho" r"me|ro" r"ot|Us" r"ers|mn" r"t)/\w",
    "the host of a package index": r"(?:registry\.|index-u" r"rl|pypi\.o" r"rg|artifac" r"tory)",
}


@pytest.mark.parametrize("what", NOT_HERE)
def test_no_file_holds(what):
    pattern = re.compile(NOT_HERE[what])
    for path in tracked():
        if path.suffix == ".json" or path.stat().st_size > 1 << 20:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not pattern.search(line), f"{what}: {named(path)}:{number}: {line.strip()[:80]}"
