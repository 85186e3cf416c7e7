"""What the site shows beside docs/*.md: commands, API, and pages and files from outside.

- a page of the nav that is not there (yet) is left out; a page of docs/ that the nav does not name
  is added to the last tab, so that neither breaks the strict build
- links out of docs/ lead to copies on the site: Markdown as pages, Python as pages with numbered
  lines, all else as files
- tests that a page names lead to their line; so do functions in the tables of equations and
  methods, or to their entry in the API
"""

from __future__ import annotations

import ast
import functools
import html
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))
PAGES = {
    "CONTRIBUTING.md": "generated/contributing.md",
    "benchmarks/README.md": "generated/benchmarks.md",
    "training/README.md": "generated/training.md",
    "src/dreamsampler/models/bundled/README.md": "generated/bundled.md",
}
"""Pages outside of docs/, and where they are on the site."""
PACKAGES = (
    "interfaces.pipelines",
    "tasks",
    "methods",
    "samplers",
    "guidance",
    "regularizers",
    "operators",
    "generators",
    "generators.vector",
    "generators.field",
    "models",
    "maths",
)
MAPPED = ("docs/method.md", "docs/architecture.md", "docs/regularizers.md")
"""Pages whose tables name functions: each name is linked."""
LED = re.compile(r"\[(`[\w.]+`)\]\(\.\./(?:src|tests)/[^)#\s]*\.py\)")
"""A name that leads to its file, for readers of the repository: the site leads to its line."""
NAMED = re.compile(r"(?<!\[)`([A-Za-z_]\w*(?:\.\w+)?)`(?!\])")
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)#\s:]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Leave out pages that are not there; name those that the nav forgot."""
    made = {*PAGES.values(), *(f"generated/{each}.md" for each in MADE)}
    names = {path.name for path in (ROOT / "docs").glob("*.md")} | made
    config["nav"] = [tab for tab in (_kept(tab, names) for tab in config["nav"]) if tab]
    forgotten = sorted(names - set(re.findall(r"[\w/]+\.md", str(config["nav"]))))
    if forgotten:
        config["nav"].append({"More": forgotten})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what is generated, and whatever a page links to outside of docs/."""
    texts = {f"docs/{path.name}": path for path in sorted((ROOT / "docs").glob("*.md"))}
    texts |= {name: ROOT / name for name in PAGES}
    for name, path in texts.items():
        whole = path.read_text(encoding="utf-8")
        text = LED.sub(led, whole)
        for _, target, _ in LINK.findall(text):
            _carry(files, config, _place(name, target))
        for word in NAMED.findall(text):
            place, _ = tested().get(word) or defined().get(word) or (None, 0)
            mapped = word in tested() or (name in MAPPED and word not in exported())
            _carry(files, config, place if mapped else None)
        if name in PAGES:
            files.append(File.generated(config, PAGES[name], content=whole))
    for name, write in MADE.items():
        files.append(File.generated(config, f"generated/{name}.md", content=write()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as they are in the repository become links as they are on the site."""
    homes = {new: old for old, new in PAGES.items()}
    here = page.file.src_uri
    origin = homes.get(here, f"docs/{here}")
    if Path(here).stem in MADE or here.startswith("files/"):
        return markdown

    def moved(match: re.Match[str]) -> str:
        words, target, anchor = match.groups()
        place = _place(origin, target)
        if place is None or not (ROOT / place).exists():
            return match.group(0)
        if (ROOT / place).is_dir():
            return words.strip("[]")
        up = "../" * here.count("/")
        return f"{words}({up}{_on_site(place)}{anchor or ''})"

    markdown = LED.sub(led, markdown)
    markdown = re.sub(r"^<!-- not run[^\n]*-->\n", "", markdown, flags=re.M)
    parts = re.split(r"(^```.*?^```)", markdown, flags=re.M | re.S)
    parts = [p if p.startswith("```") else LINK.sub(moved, indented(p)) for p in parts]
    up = "../" * here.count("/")
    parts = [p if p.startswith("```") else _mapped(p, up, origin in MAPPED) for p in parts]
    return "".join(parts)


def led(match: re.Match[str]) -> str:
    """A name alone if the site knows where it leads, else with its link."""
    name = match.group(1).strip("`")
    known = name in exported() or name in tested() or name in defined()
    return match.group(1) if known else match.group(0)


def indented(part: str) -> str:
    """What belongs to an item of a list, indented as far as Python-Markdown wants it: by four."""
    rows, width = [], 0
    for row in part.split("\n"):
        item = re.match(r"(?:\d+\.|[-*]) +", row)
        if item:
            width = len(item.group(0))
        elif row.strip() and not row.startswith(" " * width):
            width = 0
        inside = width and not item and row.strip()
        rows.append(" " * (4 - width) + row if inside else row)
    return "\n".join(rows)


def _mapped(part: str, up: str, functions: bool) -> str:
    """Names of tests become links to their lines; in tables, if wanted, so do functions."""

    def linked(match: re.Match[str], table: bool) -> str:
        name = match.group(1)
        if table and name in exported():
            return f"[`{name}`][{exported()[name]}]"
        found = tested().get(name) or (defined().get(name) if table else None)
        if found is None:
            return match.group(0)
        page = _on_site(found[0]).removesuffix(".md") + ".html"
        return f'<a href="{up}{page}#__codelineno-0-{found[1]}"><code>{name}</code></a>'

    rows = part.split("\n")
    tables = [functions and row.startswith("| ") for row in rows]
    pairs = zip(rows, tables, strict=True)
    return "\n".join(NAMED.sub(lambda m, t=table: linked(m, t), row) for row, table in pairs)


@functools.cache
def public(package: str) -> dict[str, Any]:
    """What a package exports; of one that exports nothing, what its modules define."""
    module = importlib.import_module(f"dreamsampler.{package}")
    names: dict[str, Any] = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    for each in () if names else pkgutil.walk_packages(module.__path__, f"{module.__name__}."):
        defined = vars(importlib.import_module(each.name)).items()
        own = {n: v for n, v in defined if getattr(v, "__module__", "") == each.name}
        names |= {n: v for n, v in own.items() if n[0] != "_" and n != "run"}
    home = "dreamsampler"
    return {n: v for n, v in names.items() if callable(v) and v.__module__.startswith(home)}


@functools.cache
def exported() -> dict[str, str]:
    """Exported name -> its anchor; `package.name` where several packages have it, and methods."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for name, value in public(package).items():
            anchor = f"{value.__module__}.{name}"
            inside = list(vars(value)) if inspect.isclass(value) else []
            for each, target in [
                (name, anchor),
                (f"{package}.{name}", anchor),
                *((f"{name}.{m}", f"{anchor}.{m}") for m in inside if m[0] != "_"),
            ]:
                found.setdefault(each, set()).add(target)
    return {name: min(homes) for name, homes in found.items() if len(homes) == 1}


@functools.cache
def tested() -> dict[str, tuple[str, int]]:
    """Test (or file of tests) -> its file and line."""
    found: dict[str, tuple[str, int]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        place = path.relative_to(ROOT).as_posix()
        found[path.stem] = (place, 1)
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if name := re.match(r"def (test_\w+)", line):
                found[name.group(1)] = (place, number)
    return found


@functools.cache
def defined() -> dict[str, tuple[str, int]]:
    """Function or class of the package that no package exports -> its file and line."""
    found: dict[str, set[tuple[str, int]]] = {}
    for path in sorted((ROOT / "src" / "dreamsampler").rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if name := re.match(r"(?:def|class) ([A-Za-z]\w*)", line):
                found.setdefault(name.group(1), set()).add((place, number))
    return {name: min(places) for name, places in found.items() if len(places) == 1}


def _kept(entry: Any, names: set[str]) -> Any:
    """A part of the nav, without pages that are not there."""
    if isinstance(entry, str):
        return entry if entry in names else None
    ((title, inside),) = entry.items()
    if isinstance(inside, str):
        return entry if inside in names else None
    kept = [each for each in (_kept(each, names) for each in inside) if each]
    return {title: kept} if kept else None


def _place(origin: str, target: str) -> str | None:
    """A link's target as a path from the root of the repository; None if it leaves it."""
    path = (ROOT / origin).parent.joinpath(target).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None


def _on_site(place: str) -> str:
    """Where a file of the repository lies on the site, relative to its root (as a source)."""
    if place in PAGES:
        return PAGES[place]
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    return "files/" + place + {".md": ".txt", ".py": ".md"}.get(Path(place).suffix, "")


def _carry(files: Any, config: Any, place: str | None) -> None:
    """A copy of a file outside of docs/ that a page links to."""
    if place is None or place.startswith("docs/") or place in PAGES:
        return
    path, uri = ROOT / place, _on_site(place)
    if not path.is_file() or files.get_file_from_path(uri) is not None:
        return
    content: str | bytes = path.read_bytes()
    if path.suffix == ".py":
        head = "---\nhide: [navigation, toc]\nsearch: {exclude: true}\n---\n"
        text = path.read_text(encoding="utf-8")
        content = f'{head}# {place}\n\n``````python linenums="1"\n{text}``````\n'
    files.append(File.generated(config, uri, content=content))


def commands() -> str:
    """Every command with its options, from the dataclasses that the program itself parses."""
    from dreamsampler.interfaces.cli import main as cli
    from dreamsampler.interfaces.cli.form import listed

    pages = ["# Commands\n", f"{cli.DESCRIPTION} `dreamsampler COMMAND --help` says the same.\n"]
    for command in cli.COMMANDS:
        parts = [cli.load(part) for part in command.parts]
        about = inspect.getdoc(parts[0]) or ""
        pages.append(f"## dreamsampler {command.name}\n\n{about}\n")
        pages.append("| option | default | what it does |\n|---|---|---|")
        for part in parts:
            pages += [_option(*each) for each in listed(part)]
        pages.append("")
    return "\n".join(pages)


def _option(typed: str, default: str, text: str) -> str:
    """A row of a command's table."""
    shown = f"`{default}`" if default not in ("", "needed") else default
    words = html.escape(text, quote=False).replace("|", "&#124;").replace("*", "&#42;")
    return f"| `{typed}` | {shown} | {words} |"


def api() -> str:
    """Every exported name, package by package."""
    pages = [
        "# API\n",
        "Every exported name, from its docstring. `dreamsampler` itself has the most used.\n",
    ]
    for package in PACKAGES:
        module = importlib.import_module(f"dreamsampler.{package}")
        pages.append(f"## dreamsampler.{package}\n\n{(module.__doc__ or '').split(chr(10))[0]}\n")
        pages += [f"::: {value.__module__}.{name}\n" for name, value in public(package).items()]
    return "\n".join(pages)


def modules() -> str:
    """Every file of the package with the first line of its docstring."""
    lines = ["# Modules\n", "Every file with the first line of its docstring.\n"]
    root = ROOT / "src" / "dreamsampler"
    folder = None
    for path in sorted(root.rglob("*.py"), key=lambda each: (each.parent, each.name)):
        if path.parent != folder:
            folder = path.parent
            lines.append(f"\n## {folder.relative_to(root.parent).as_posix()}/\n")
        text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
        lines.append(f"- `{path.name}`: {html.escape(text, quote=False)}")
    return "\n".join(lines)


MADE = {"commands": commands, "api": api, "modules": modules}
"""Pages that are made from the code."""
