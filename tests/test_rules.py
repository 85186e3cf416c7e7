"""The rules of the project that no linter knows: each is a loop that reports every offender."""

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
from dreamsampler.methods.registry import METHODS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "dreamsampler"
SOURCES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("src", "training", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "runs" not in path.relative_to(ROOT).parts
}
"""Every file outside of tests, parsed."""


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES if path.is_relative_to(PACKAGE)}
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py" and "." in name]
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "core"}
HEAVY = {"torch", "numpy", "diffusers", "transformers", "fastapi", "ray", "tyro", "rich"}
OPEN = ("Protocol", "ABC", "NamedTuple", "Error", "Warning", "Exception", "Interrupt")
NO_SOURCE = {"Estimate", "Level", "Step", "Schedule", "covered", "draw", "generators"}
NO_SOURCE |= {"hold", "keep", "weigh"}
"""Exported mathematics that comes from no paper."""


def where(path, node=None):
    return f"{path.relative_to(ROOT)}" + (f":{node.lineno}" if node else "")


def tracked():
    """Text files that git knows; none outside a checkout."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(git, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def sorted_as_ruff_does(names):
    """CONSTANTS, then Classes, then functions, each in alphabetical order."""
    return sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))


def test_a_file_is_short():
    lines = {where(path): path.read_text("utf-8").count("\n") for path in SOURCES}
    assert {path: count for path, count in lines.items() if count >= 400} == {}


def test_a_file_says_what_it_is():
    vague, silent = [], []
    for path, tree in SOURCES.items():
        if not VAGUE.isdisjoint(path.relative_to(ROOT).with_suffix("").parts):
            vague.append(where(path))
        if not (ast.get_docstring(tree) or "").split("\n")[0].endswith((".", ":")):
            silent.append(where(path))
    assert vague == [], "names that say nothing"
    assert silent == [], "no docstring, or its first line is no sentence"


FORWARDING = {"from_pretrained", "from_pipe", "condition", "encode_prompt", "ask", "finish"}
"""What passes arguments on to a pipeline's call, which are checked there."""


def test_classes_are_abstract_or_final_and_options_have_names():
    open_classes, any_options = [], []
    bases = {
        ast.unparse(base).split("[")[0].split(".")[-1]
        for path in MODULES.values()
        for node in ast.walk(SOURCES[path])
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    for path in MODULES.values():
        for node in ast.walk(SOURCES[path]):
            if isinstance(node, ast.ClassDef):
                final = any(ast.unparse(each) == "final" for each in node.decorator_list)
                abstract = any(ast.unparse(b).split("[")[0].endswith(OPEN) for b in node.bases)
                if not (final or abstract or node.name in bases):
                    open_classes.append(f"{where(path, node)} {node.name}")
        for scope in (
            n for n in ast.walk(SOURCES[path]) if isinstance(n, (ast.Module, ast.ClassDef))
        ):
            for node in (n for n in scope.body if isinstance(n, ast.FunctionDef)):
                public = not node.name.startswith("_") and node.name not in FORWARDING
                if public and node.args.kwarg is not None:
                    any_options.append(f"{where(path, node)} {node.name}")
    assert open_classes == [], "classes that are neither abstract, nor a base of others, nor final"
    assert any_options == [], "public functions with **options"


def test_a_package_exports_what_it_imports_in_order():
    """Where its `__init__.py` has nothing but imports and constants, for type checkers or not."""
    for name in PACKAGES:
        body = SOURCES[MODULES[name]].body
        if any(isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name[0] != "_" for n in body):
            continue
        targets = [n.target for n in body if isinstance(n, ast.AnnAssign)]
        targets += [n.targets[0] for n in body if isinstance(n, ast.Assign)]
        names = {t.id for t in targets if isinstance(t, ast.Name)} - {"__all__"}
        for node in [*body, *(inner for n in body if isinstance(n, ast.If) for inner in n.body)]:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("dreamsampler"):
                names |= {alias.asname or alias.name for alias in node.names}
        module = import_module(name)
        exported = getattr(module, "__all__", [])
        assert exported == sorted_as_ruff_does(exported), name
        assert set(exported) == {each for each in names if not each.startswith("_")}, name
        assert [each for each in exported if not hasattr(module, each)] == [], name


def test_the_lazy_table_is_what_the_package_exports():
    """`_HOMES`, `__all__` and the imports that only type checkers read name the same things."""
    typed = {}
    for node in ast.walk(SOURCES[PACKAGE / "__init__.py"]):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("dreamsampler."):
            typed |= {a.name: node.module.removeprefix("dreamsampler.") for a in node.names}
    typed.pop("__version__", None)
    homes = {name: home for home, names in dreamsampler._HOMES.items() for name in names.split()}
    assert typed == homes
    names = [*homes, *dreamsampler._PACKAGES.split()]
    assert dreamsampler.__all__ == sorted_as_ruff_does(names)
    for name in names:
        assert getattr(dreamsampler, name).__name__.split(".")[-1] == name
    with pytest.raises(AttributeError, match="no attribute 'dreem'"):
        _ = dreamsampler.dreem


def test_an_export_is_documented():
    found = {("dreamsampler", name): getattr(dreamsampler, name) for name in dreamsampler.__all__}
    for package in PACKAGES:
        module = import_module(package)
        found |= {(package, name): getattr(module, name) for name in getattr(module, "__all__", [])}
    silent, without_source = [], []
    for (package, name), value in found.items():
        if "<locals>" in getattr(value, "__qualname__", ""):
            continue  # a value made by a function that is documented
        if callable(value) and getattr(value, "__module__", "").startswith("dreamsampler"):
            text = value.__doc__ or ""
            first = text.strip().split("\n", 1)[0]
            if not (first[:1].isupper() and first.endswith((".", ":"))):
                silent.append(f"{package}.{name}: {first!r}")
            maths = package == "dreamsampler.maths" and name not in NO_SOURCE
            if maths and "Source:" not in text:
                without_source.append(f"{package}.{name}")
    for name, module in ((each.name, each.load().__module__) for each in METHODS):
        path = MODULES[module]
        if "Source:" not in path.read_text(encoding="utf-8"):
            without_source.append(f"{name}: {where(path)}")
    assert silent == [], "no sentence to begin with"
    assert without_source == [], "no paper"


def test_examples_in_docstrings_run():
    """Read from the file, since doctest does not see through what `shapes` wraps."""
    failed, count = [], 0
    for name, path in MODULES.items():
        if ">>> " not in path.read_text(encoding="utf-8"):
            continue
        module = import_module(name)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        for node in ast.walk(SOURCES[path]):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text, line = ast.get_docstring(node) or "", node.body[0].lineno if node.body else 0
                scope = {**vars(module), "__name__": name}
                title = f"{name}.{getattr(node, 'name', '')}"
                runner.run(doctest.DocTestParser().get_doctest(text, scope, title, str(path), line))
        count += runner.tries
        failed += [name] if runner.failures else []
    assert failed == [] and count > 100


def test_importing_it_loads_nothing_heavy():
    names = "dreamsampler, dreamsampler.tasks, dreamsampler.interfaces.cli.main"
    code = f"import sys, {names}; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(seen.stdout.split()) == set()


def imports(name):
    """Modules of the package that a module imports: anywhere in it, for type checkers too, or in
    text ("tasks.edit:Edit") for importlib; not those that Python loads on the way to them."""
    path = MODULES[name]
    found = set()
    for node in ast.walk(SOURCES[path]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where(path, node)}: a relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inside & MODULES.keys() or {node.module}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = re.fullmatch(r"(?:dreamsampler\.)?([a-z_.]+)(?::\w+)?", node.value)
            found |= (
                {f"dreamsampler.{named[1]}"} if named and re.search("[.:]", node.value) else set()
            )
    return {each for each in found if each in MODULES} - {name}


def circles(graph):
    """Sets of modules that import each other: strongly connected components of two and more."""
    reach = {}

    def reached(start):
        seen, todo = set(), [start]
        while todo:
            for each in graph[todo.pop()] - seen:
                seen.add(each)
                todo.append(each)
        return seen

    reach = {name: reached(name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}}
    assert circles(graph) == [["a", "b", "c"], ["e", "f"]]


def test_no_module_imports_itself_through_others():
    found = circles({name: imports(name) for name in MODULES})
    assert not found, "\n".join(" <-> ".join(group) for group in found)


def test_the_package_needs_nothing_of_its_checkout():
    """A wheel has neither benchmarks nor training nor tests, and nothing extends its path."""
    bad = []
    for path in MODULES.values():
        for node in ast.walk(SOURCES[path]):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"benchmarks", "training", "tests"}:
                bad.append(where(path, node))
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
                bad.append(where(path, node))
    assert bad == []


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
    "the host of a package index": r"registry\.\w+\.\w|index-u" r"rl|pypi\.o" r"rg|artifac" r"tory",
}


def test_no_file_holds_what_belongs_elsewhere():
    found = []
    for path in tracked():
        if path.suffix == ".json" or path.stat().st_size > 1 << 20:
            continue
        text = path.read_text(encoding="utf-8")
        for what, pattern in NOT_HERE.items():
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{what}: {where(path)}:{line}: {match.group(0)}")
    assert found == []


PRIVATE_NAMES = re.compile(
    "(?:told|asked|wanted|waist|glimpses?|sketch|spotlight|attended|prominent|verdict|"
    "film|desk|shelf|peers?|house|room|floors?|doors?|bend|bent|looks?|looked|pulls?|pulled|"
    "walks?|believe[sd]|there|beginning|held|past|sentence)"
)
"""Words that no name is made of: they say nothing to whoever knows PyTorch and diffusers."""
ALLOWED_NAMES = re.compile(r"held_?out|^floor$|^_?house$", re.I)
PRIVATE_PROSE = re.compile(
    r"\b(?:waist|glimpses?|spotlight|verdict|peers?|shelf|"
    r"this house|the house's|(?:inside|in) the house|(?:the|at its|at the|its) doors?|"
    r"(?:a|each|the|higher|lower|models?|maths) floors?|"
    r"hid(?:e|es|den) (?:the look )?in noise|the (?:first|next|clean) look|look, eps|"
    r"sentences? (?:on|about) the (?:same )?loop|bends? the (?:answer|estimate)|"
    r"(?:model|prior|network|house) (?:believes|believed|asks)|what (?:it|the model) believes)\b"
)
"""Phrases that neither docstrings, comments, messages nor pages use."""


def defined_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node.name
        if isinstance(node, ast.arg):
            yield node, node.arg
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node, node.attr


def test_private_words_do_not_come_back():
    found = []
    for path, tree in SOURCES.items():
        for node, name in defined_names(tree):
            words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().split("_")
            private = any(PRIVATE_NAMES.fullmatch(word) for word in words)
            if private and not ALLOWED_NAMES.search(name):
                found.append(f"{where(path, node)} {name}")
    pages = [path for path in tracked() if path.suffix == ".md" and "journal" not in path.parts]
    for path in [*SOURCES, *pages]:
        text = path.read_text(encoding="utf-8")
        for match in PRIVATE_PROSE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{where(path)}:{line} {match.group(0)}")
    assert found == []
