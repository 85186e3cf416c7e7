"""The command line: a table of commands, and what happens to what was typed."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

DESCRIPTION = "Change pictures with diffusion models."
FURTHER = (
    "`dreamsampler COMMAND --help` says what a command takes, `dreamsampler demo` shows some "
    "edits, `dreamsampler --version` prints the version."
)


class Command(NamedTuple):
    """One command: what it is called, what does it, and what it asks for.

    Everything is named as "module:name" below the package and imported only when it is needed, so
    a command may come from a module that loads much, as long as the module of its first part does
    not: that one's docstring is the command's line in `dreamsampler --help`.

    Args:
        name: what is typed.
        run: a function; called with one instance of every part, in their order.
        parts: frozen dataclasses of plain values, without fields of the same name; a string below
            each field is its help. Their fields together are the options.
    """

    name: str
    run: str
    parts: tuple[str, ...]


TASK = (
    "interfaces.cli.command:Output",
    "interfaces.cli.command:Record",
    "interfaces.cli.command:Where",
    "interfaces.cli.sweep:Sweep",
)
"""What every command that asks a model takes besides its task."""

SCENE = (
    "interfaces.cli.command:Folder",
    "interfaces.cli.command:Record",
    "interfaces.cli.command:Where",
)
"""The same for one whose output is a folder."""

COMMANDS = (
    Command("edit", "interfaces.cli.sweep:perform_swept", ("tasks:Edit", *TASK)),
    Command("inpaint", "interfaces.cli.sweep:perform_swept", ("tasks:Inpaint", *TASK)),
    Command("restore", "interfaces.cli.sweep:perform_swept", ("tasks:Restore", *TASK)),
    Command("vectorize", "interfaces.cli.sweep:perform_swept", ("tasks:Vectorize", *TASK)),
    Command("reconstruct", "interfaces.cli.command:perform", ("tasks:Reconstruct", *SCENE)),
    Command(
        "degrade",
        "interfaces.cli.degrade:degrade",
        ("tasks:Degrade", "interfaces.cli.command:Output"),
    ),
    Command(
        "make-scene",
        "interfaces.cli.degrade:make_scene",
        ("tasks:MakeScene", "interfaces.cli.command:Folder"),
    ),
    Command("plan", "interfaces.cli.plan:plan", ("interfaces.cli.plan:Planned",)),
    Command(
        "studio",
        "interfaces.studio:serve",
        ("interfaces.studio:Studio", "interfaces.cli.command:Where"),
    ),
    Command(
        "batch",
        "interfaces.batch.run:run_batch",
        ("interfaces.batch:Batch", "interfaces.cli.command:Where"),
    ),
    Command(
        "replay",
        "interfaces.cli.replay:replay",
        ("interfaces.cli.replay:Replay", "interfaces.cli.located:There"),
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
        argv: what was typed after the program's name; None for the real thing.

    Returns:
        The exit code: 0, 2 for what the user can put right, 1 for the unexpected, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    _wait_patiently()
    if arguments == ["--version"]:
        return _version()
    from dreamsampler.interfaces.errors import guarded

    return guarded(lambda: _run(arguments or ["--help"]), debug="--debug" in arguments)


def _wait_patiently() -> None:
    """Threads that wait for each other sleep soon; said before torch, which reads it, is loaded.

    GNU's OpenMP lets them spin, so that beside other work most of the time goes into waiting: the
    demo took 87 s instead of 12 beside four processes on two cores, and 7 s either way alone.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def parsed(arguments: Sequence[str]) -> tuple[Command, list[Any]]:
    """What was typed, as a command and one instance of each of its parts.

    Raises:
        SystemExit: help was asked for, and has been printed.
        ValueError: what cannot be read, in one line.
    """
    from dreamsampler.interfaces.cli.form import dressed, take

    known = {command.name: command for command in COMMANDS}
    command = known.get(arguments[0]) if arguments else None
    if command is None:  # help of all, a typing error, or the completion of a shell
        if arguments and not arguments[0].startswith("-"):
            near = difflib.get_close_matches(arguments[0], known, 1, 0.5)
            guess = f"did you mean {near[0]}? There are " if near else "there are "
            raise ValueError(
                f"no command {arguments[0]!r}: {guess}{', '.join(known)}; for help, run "
                "dreamsampler --help"
            )
        complete = any(each.startswith("--tyro-") for each in arguments)
        forms = [form_of(each) if complete else _named(each) for each in COMMANDS]
        _parse(dressed(forms, list(known)), "dreamsampler", f"{DESCRIPTION} {FURTHER}", arguments)
        raise ValueError("name a command; for help, run dreamsampler --help")
    parts = [_found(part) for part in command.parts]
    prog = f"dreamsampler {command.name}"
    filled = _parse(form_of(command), prog, inspect.getdoc(parts[0]), arguments[1:])
    return command, [take(part, filled) for part in parts]


def form_of(command: Command) -> type:
    """The dataclass of all options of a command."""
    from dreamsampler.interfaces.cli.form import form

    return form(command.name, [_found(part) for part in command.parts])


def _version() -> int:
    from dreamsampler import __version__

    print(f"dreamsampler {__version__}")
    return 0


def _run(arguments: list[str]) -> None:
    command, filled = parsed(arguments)
    _found(command.run)(*filled)


def _named(command: Command) -> type:
    """A form without options, for the list of commands: quicker than all options of all."""
    from dreamsampler.interfaces.cli.form import form

    return form(command.name, [], like=_found(command.parts[0]))


def _found(name: str) -> Any:
    """What "module:name" names, below the package."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"dreamsampler.{module}"), attribute)


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    """Inside, help has no colors where NO_COLOR asks for none; the parser knows TERM only."""
    before = os.environ.get("TERM")
    if not os.environ.get("NO_COLOR") or before is None:
        yield
        return
    os.environ["TERM"] = "dumb"
    try:
        yield
    finally:
        os.environ["TERM"] = before


def _parse(form: Any, prog: str, description: str | None, arguments: Sequence[str]) -> Any:
    """The form, filled; or help and SystemExit, or ValueError for what cannot be read."""
    import tyro

    from dreamsampler.interfaces.cli.form import options_of
    from dreamsampler.interfaces.errors import misnamed, unframed

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), _plain():
            return tyro.cli(form, prog=prog, description=description, args=arguments)
    except SystemExit as left:
        if not left.code:  # help
            raise
        # what is said to be missing may be what was misspelled, so that this comes first
        if wrong := misnamed(arguments, options_of(form)):
            raise ValueError(f"{wrong}; for help, run {prog} --help") from None
        raise ValueError(unframed(complaint.getvalue())) from None
