"""What the pages print to be typed: commands that exist, with options that they have."""

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path

from test_docs import PAGES, ROOT, TEXTS

from benchmarks.__main__ import parsed
from dreamsampler.interfaces.cli import main as cli
from dreamsampler.tasks.from_values import task_of

FENCE = re.compile(r"(<!--([^\n]*)-->\n)?^```(\w*)\n(.*?)^```", re.M | re.S)
TYPED = re.compile(r"(?:\$ )?(?:\w+=\S+ )*(dreamsampler|make|pip|python|source)(?: |$)")
PLACE = re.compile(r"\.\.\.|\[|\b(TASK|COMMAND|NAME|SUITE|ADDRESS)\b")
"""What a reader fills in."""
ELSEWHERE = ("path/to/", "ln -s ", "STAGE=")
"""Lines of blocks that are typed where this repository is not: in ComfyUI's folder, on a GPU."""


def blocks(page):
    """(the comment above, language, text) of each fenced block."""
    return [
        (note.strip(), language, text) for _, note, language, text in FENCE.findall(TEXTS[page])
    ]


def commands(page):
    """What is to be typed, from blocks and from within sentences."""
    lines = [line for _, language, part in blocks(page) if not language for line in typed(part)]
    inside = re.findall(r"`([^`]+)`", FENCE.sub("", TEXTS[page]))
    return [*lines, *(" ".join(each.split()) for each in inside if TYPED.match(each))]


def typed(part):
    """The commands of a block without a language."""
    rows = [row.removeprefix("$ ") for row in part.splitlines() if TYPED.match(row)]
    return [row for row in rows if not row.startswith(ELSEWHERE)]


def test_no_block_escapes():
    """Python runs in test_docs, or the page says why not; commands stand alone."""
    wrong = []
    for page in PAGES:
        for note, language, text in blocks(page):
            rows = [row for row in text.splitlines() if row.strip()]
            known = [bool(TYPED.match(row)) or row.startswith(ELSEWHERE) for row in rows]
            mixed = any(known) and not all(known) and not rows[0].startswith("$ ")
            if (
                language not in ("", "python", "json", "bash", "text", "bibtex")
                or (language == "python" and re.match(r"not run(?!: \w)", note))
                or (language == "bash" and "test_" not in note)
                or (not language and mixed)
            ):
                wrong.append(f"{page.name}: {language} {note} {text[:60]}")
    assert wrong == []


def test_rows_that_pages_show_are_rows():
    rows = [
        json.loads(row)
        for page in PAGES
        for _, language, text in blocks(page)
        for row in (text.splitlines() if language == "json" else ())
    ]
    assert len(rows) >= 3
    for options in rows:
        options.pop("output", None)
        assert task_of(options.pop("task"), options)


def test_every_command_exists():
    wrong = []
    for page in TEXTS:
        for command in dict.fromkeys(commands(page)):
            try:
                check(command)
            except (AssertionError, ValueError, SystemExit) as error:
                wrong.append(f"{page.name}: {command}: {error}")
    assert not wrong, "\n".join(wrong)


def check(command):
    words = shlex.split(command, comments=True)
    while "=" in words[0]:
        words = words[1:]
    program, given = words[0], words[1:]
    if program == "dreamsampler":
        of_dreamsampler(given, command)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert {word for word in given if "=" not in word} <= set(targets)
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for each in re.findall(r"\[(\w+)\]", command):
            assert each in extras["optional-dependencies"]
    elif program == "source":
        assert given == [".venv/bin/activate"]
    else:
        of_python(given)


def of_dreamsampler(given, command):
    """Parsed by the program itself, but where the reader has to fill something in."""
    names = {each.name for each in cli.COMMANDS}
    if not given or given[0] in ("--help", "--version") or given[0].startswith("--tyro"):
        return
    if PLACE.search(command) or len(given) == 1 or "--help" in given:
        assert given[0] in names | {"TASK", "COMMAND"}
        return
    assert cli.parsed([word for word in given if word])


def of_python(given):
    """A file or a module that is there, and whose text knows every option that is named."""
    if (
        given[0] == "-c"
        or given[:2] in (["-m", "pip"], ["-m", "venv"])
        or PLACE.search(" ".join(given[:3]))
    ):
        return
    if given[0] != "-m":
        path = ROOT / given[0]
        assert path.is_file()
        text = path.read_text(encoding="utf-8")
    elif given[1] == "benchmarks":
        assert "--help" in given or callable(parsed(given[2:]))
        return
    else:
        found = importlib.util.find_spec(given[1])
        assert found is not None and found.origin is not None
        package = Path(found.origin).name == "__init__.py"
        paths = Path(found.origin).parent.rglob("*.py") if package else [Path(found.origin)]
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(paths))
    for option in [word.split("=")[0] for word in given if word.startswith("--")]:
        field = option.removeprefix("--").replace("-", "_")
        assert re.search(rf'"{option}"|"{field}"|^    {field}:', text, re.M), f"no {option}"
