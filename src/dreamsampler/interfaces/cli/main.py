"""The command line: a table of commands, and what happens to what was typed."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from dreamsampler.files import InputError
from dreamsampler.interfaces.errors import guarded, misnamed, unframed
from dreamsampler.version import __version__

DESCRIPTION = "Change pictures with diffusion models."
FURTHER = (
    "`dreamsampler COMMAND --help` lists its options, `dreamsampler demo` shows some "
    "edits, `dreamsampler --version` prints the version."
)


class Command(NamedTuple):
    """One command.

    Everything is named as "module:name" below the package and imported when it is needed. The
    module of the first part must load nothing large: its docstring is the command's line in
    `dreamsampler --help`.

    Args:
        name: what is typed.
        run: a function; called with one instance of every part, in their order.
        parts: frozen dataclasses of plain values, without fields of the same name; a string below
            each field is its help. Their fields together are the options.
    """

    name: str
    run: str
    parts: tuple[str, ...]


_OUTPUT, _FOLDER, _RECORD, _SWEEP = (
    f"interfaces.cli.options:{name}" for name in ("Output", "Folder", "Record", "Sweep")
)
_MODEL, _PERFORM = "interfaces.model_options:ModelOptions", "interfaces.cli.command:perform"

COMMANDS = (
    Command("edit", _PERFORM, ("tasks:Edit", _OUTPUT, _RECORD, _MODEL, _SWEEP)),
    Command("inpaint", _PERFORM, ("tasks:Inpaint", _OUTPUT, _RECORD, _MODEL, _SWEEP)),
    Command("restore", _PERFORM, ("tasks:Restore", _OUTPUT, _RECORD, _MODEL, _SWEEP)),
    Command("vectorize", _PERFORM, ("tasks:Vectorize", _OUTPUT, _RECORD, _MODEL, _SWEEP)),
    Command("reconstruct", _PERFORM, ("tasks:Reconstruct", _FOLDER, _RECORD, _MODEL)),
    Command("degrade", _PERFORM, ("tasks:Degrade", _OUTPUT)),
    Command("make-scene", _PERFORM, ("tasks:MakeScene", _FOLDER)),
    Command("methods", "interfaces.cli.methods:list_methods", ("interfaces.cli.methods:Methods",)),
    Command("models", "interfaces.cli.models:list_models", ("interfaces.cli.models:Models",)),
    Command(
        "plan",
        "interfaces.cli.plan:print_plan",
        ("interfaces.cli.plan:Plan", "interfaces.model_options:LoadOptions"),
    ),
    Command("studio", "interfaces.studio:serve", ("interfaces.studio:Studio", _MODEL)),
    Command("batch", "interfaces.batch.run:run_batch", ("interfaces.batch:Batch", _MODEL)),
    Command(
        "replay",
        "interfaces.cli.replay:replay",
        ("interfaces.cli.replay:Replay", "interfaces.cli.recipe_model:RecipeModel"),
    ),
    Command("history", "interfaces.cli.history:print_history", ("interfaces.cli.history:History",)),
    Command("schema", "interfaces.cli.schema:print_schema", ("interfaces.cli.schema:Schema",)),
    Command("doctor", "interfaces.cli.doctor:examine", ("interfaces.cli.doctor:Doctor",)),
    Command("demo", "interfaces.cli.demo:show_demo", ("interfaces.cli.demo:Demo",)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Results go to stdout; progress, warnings and errors to stderr, one line each.

    Args:
        argv: what was typed after the program's name; by default the process's own.

    Returns:
        The exit code: 0, 2 for what the user can put right, 1 for the unexpected, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if "OMP_WAIT_POLICY" not in os.environ:
        # before torch, which reads it: GNU's OpenMP lets threads that wait spin, so that beside
        # four processes on two cores the demo took 87 s instead of 12, and 7 s either way alone
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if arguments == ["--version"]:
        print(f"dreamsampler {__version__}")
        return 0
    return guarded(lambda: _run(arguments or ["--help"]), debug="--debug" in arguments)


def parsed(arguments: Sequence[str]) -> tuple[Command, list[Any]]:
    """What was typed, as a command and one instance of each of its parts."""
    known = {command.name: command for command in COMMANDS}
    if arguments[0] not in known:
        raise ValueError(
            f"{_misnamed_command(arguments, known)}; for help, run dreamsampler --help"
        )
    from dreamsampler.interfaces.cli.form import form, read_part

    command = known[arguments[0]]
    parts, prog = [load(part) for part in command.parts], f"dreamsampler {command.name}"
    filled = _parse(form(command.name, parts), prog, _joined(arguments[1:], parts))
    try:
        return command, [read_part(part, filled) for part in parts]
    except InputError as error:
        raise InputError(f"{error}; for help, run {prog} --help") from None


def _joined(arguments: Sequence[str], parts: Iterable[type]) -> list[str]:
    """The arguments; a text that begins with a dash is joined to its option, as `--prompt=-x`.

    An option, or what looks like a misspelled one, is no text.
    """
    from dreamsampler.interfaces.cli.form import form, typed_names
    from dreamsampler.tasks.options import options_of

    options = [option for part in parts for option in options_of(part).values()]
    texts = {f"--{o.name.replace('_', '-')}" for o in options if o.kind in ("text", "texts")}
    names, made = typed_names(form("", list(parts))), list[str]()
    for each in arguments:
        wrong = each.startswith("-") and misnamed([each], names)
        if made and made[-1].replace("_", "-") in texts and wrong and "did you mean" not in wrong:
            made[-1] += f"={each}"
        else:
            made.append(each)
    return made


def load(name: str) -> Any:
    """The object "module:name" of the package."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"dreamsampler.{module}"), attribute)


def _run(arguments: list[str]) -> None:
    if arguments[0] in ("--help", "-h"):
        print(_overview())
    elif any(each.startswith("--tyro-") for each in arguments):
        _complete(arguments)
    else:
        command, parts = parsed(arguments)
        load(command.run)(*parts)


def _overview() -> str:
    """The help of all: a line a command."""
    width = shutil.get_terminal_size().columns
    lines = [*textwrap.wrap(f"{DESCRIPTION} {FURTHER}", width), ""]
    for command in COMMANDS:
        about = (inspect.getdoc(load(command.parts[0])) or "").partition("\n\n")[0]
        start = f"  {command.name:13}"
        lines += textwrap.wrap(about, width, initial_indent=start, subsequent_indent=" " * 15)
    return "\n".join(["usage: dreamsampler COMMAND ...", "", *lines])


def _misnamed_command(arguments: Sequence[str], known: Iterable[str]) -> str:
    if arguments[0].startswith("-"):
        return misnamed(arguments, ["--version"]) or "name a command"
    near = difflib.get_close_matches(arguments[0], known, 1, 0.5)
    guess = f"did you mean {near[0]}? There are " if near else "there are "
    return f"no command {arguments[0]!r}: {guess}{', '.join(known)}"


def _complete(arguments: Sequence[str]) -> None:
    """Print the completion of a shell, which knows every option of every command."""
    import tyro

    from dreamsampler.interfaces.cli.form import choice_of, form

    forms = [form(each.name, list(map(load, each.parts)), choices=True) for each in COMMANDS]
    names = [each.name for each in COMMANDS]
    tyro.cli(choice_of(forms, names), prog="dreamsampler", args=arguments)


@contextlib.contextmanager
def _no_color() -> Iterator[None]:
    """Inside, help has no colors if NO_COLOR is set; the parser reads TERM only."""
    before = os.environ.get("TERM")
    if not os.environ.get("NO_COLOR") or before is None:
        yield
        return
    os.environ["TERM"] = "dumb"
    try:
        yield
    finally:
        os.environ["TERM"] = before


def _parse(form: type, prog: str, arguments: Sequence[str]) -> Any:
    """The form, filled; SystemExit after help; ValueError for what cannot be read."""
    import tyro

    from dreamsampler.interfaces.cli.form import typed_names

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), _no_color():
            return tyro.cli(form, prog=prog, description=form.__doc__, args=arguments)
    except SystemExit as left:
        if not left.code:  # help
            raise
        # what seems to be missing may be misspelled, so that this comes first
        if wrong := misnamed(arguments, typed_names(form)):
            raise ValueError(f"{wrong}; for help, run {prog} --help") from None
        raise ValueError(unframed(complaint.getvalue())) from None
