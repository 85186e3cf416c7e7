"""The command line: `dreamsampler edit ...`, `dreamsampler demo`."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import Any

DESCRIPTION = "Change pictures with diffusion models."


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
    if arguments == ["--version"]:
        return _version()
    from dreamsampler.faces.errors import guarded

    return guarded(lambda: _run(arguments or ["--help"]), debug="--debug" in arguments)


def _version() -> int:
    from dreamsampler import __version__

    print(f"dreamsampler {__version__}")
    return 0


def _run(arguments: list[str]) -> None:
    """Parse, then hand over to the task or the demo; help leaves by SystemExit."""
    from dreamsampler.faces.command import Output, Record, Where, perform
    from dreamsampler.faces.degrade import degrade
    from dreamsampler.faces.demo import Demo, show_demo
    from dreamsampler.faces.form import form, take
    from dreamsampler.tasks import Degrade

    forms = _forms()
    filled = _parse(arguments, [*forms, form("Demo", [Demo])])
    if type(filled) not in forms:
        show_demo(take(Demo, filled))
        return
    task = take(forms[type(filled)], filled)
    if isinstance(task, Degrade):
        degrade(task, take(Output, filled))
        return
    perform(task, take(Where, filled), take(Output, filled), take(Record, filled))


def _forms() -> dict[type, type]:
    """Form -> task."""
    from dreamsampler.faces.command import Output, Record, Where
    from dreamsampler.faces.form import form
    from dreamsampler.tasks import TASKS, Degrade

    forms = {form(task.__name__, (task, Output, Record, Where)): task for task in TASKS}
    return {**forms, form("Degrade", (Degrade, Output)): Degrade}


def _parse(arguments: list[str], kinds: Sequence[type]) -> Any:
    """One of the forms, filled; or help and SystemExit, or ValueError for what cannot be read."""
    import tyro

    from dreamsampler.faces.errors import unframed
    from dreamsampler.faces.form import dressed

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                dressed(kinds),
                prog="dreamsampler",
                description=f"{DESCRIPTION} `dreamsampler --version` prints the version.",
                args=arguments,
            )
    except SystemExit as left:
        if not left.code:  # help
            raise
        raise ValueError(unframed(complaint.getvalue())) from None
