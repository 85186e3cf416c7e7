"""Errors on the command line: one line, an exit code, no traceback."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

WRONG = 2
"""Exit code of every error that the user can correct."""
UNEXPECTED = 1
"""Exit code of any other error."""

_PACKAGE = str(Path(__file__).parents[1])


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is."""


def guarded(work: Callable[[], None], *, debug: bool = False) -> int:
    """Do the work, and turn what it raises into one line on stderr and an exit code.

    Returns:
        0; 2 for an error that the user can correct, 1 for others; 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    try:
        once = cache(lambda text: say(f"warning: {text}"))
        with _terminable(), own_warnings(once, debug=debug):
            work()
            sys.stdout.flush()
        code = 0
    except BrokenPipeError:  # the reader of our output has enough
        code = 0
    except BaseException as error:
        if debug and not isinstance(error, SystemExit):
            traceback.print_exc()
        code = _report(error)
    _flush_stdout()
    return code


def say(text: str) -> None:
    """One line on stderr; never fails."""
    with contextlib.suppress(OSError, ValueError):
        line = " ".join(text.split())
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def unframed(text: str) -> str:
    r"""An error of the option parser, in a frame of many lines, as one line.

    Example:
        >>> unframed("Oops\n ----\n  no option\n  --x\n ----\n For full helptext, run p --help\n")
        'no option --x; for help, run p --help'
    """
    lines = [line.replace("│", " ").rstrip() for line in text.splitlines()]
    parts: list[list[str]] = [[]]
    for line in lines:
        # a rule, or the upper side of a frame with its title
        if line.strip() and (line.lstrip()[0] == "╭" or not line.strip(" -─├┤╭╮╰╯")):
            parts.append([])
        elif line.strip():
            parts[-1].append(line)
    messages: list[str] = []
    for part in parts[1:]:
        least = min((len(line) - len(line.lstrip()) for line in part), default=0)
        # what is indented twice is the help of an option
        kept = [line for line in part if len(line) - len(line.lstrip()) < least + 8]
        message = " ".join(" ".join(kept).split()).rstrip(".")
        if message and not message.startswith(("Perhaps you meant", "Argument helptext")):
            message = re.sub(
                r"^for full helptext, (?:run|see):?", "for help, run", message, flags=re.I
            )
            messages.append(message[:1].lower() + message[1:])
    return "; ".join(messages) or " ".join(text.split())


def misnamed(arguments: Sequence[str], names: Iterable[str]) -> str:
    """Unknown options, each with a suggestion, in words; empty if all are known.

    Example:
        >>> misnamed(["a.png", "--promt", "x", "--size=9"], ["--prompt", "--size", "-o"])
        'there is no option --promt: did you mean --prompt?'
    """
    known = {"--help", "-h", *names}
    unknown: list[str] = []
    for each in itertools.takewhile(lambda argument: argument != "--", arguments):
        name = each.partition("=")[0].replace("_", "-")
        if not re.match(r"--?[A-Za-z]", name) or name in known or name.startswith("--tyro-"):
            continue
        near = difflib.get_close_matches(name, sorted(known), 1, 0.7)
        guess = f": did you mean {near[0]}?" if near else ""
        guess = f": if the file is meant, write ./{each}" if os.path.lexists(each) else guess
        unknown.append(f"there is no option {name}{guess}")
    return "; ".join(unknown)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Inside, SIGTERM ends the work as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def own_warnings(take: Callable[[str], Any], *, debug: bool = False) -> Iterator[None]:
    """Inside, a function gets the text of our own warnings; those of others are left out."""

    def show(message: Any, category: type[Warning], filename: str, *_: Any, **__: Any) -> None:
        ours = filename.startswith(_PACKAGE) or category.__module__.startswith("dreamsampler")
        if ours or debug:
            take(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of its GPU was too little."""
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__


def _report(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else WRONG
    if isinstance(error, KeyboardInterrupt):
        terminated = isinstance(error, Terminated)
        say(f"dreamsampler: {'terminated' if terminated else 'interrupted'}")
        return 128 + (signal.SIGTERM if terminated else signal.SIGINT)
    if out_of_memory(error):
        ours = isinstance(error, MemoryError) and str(error)
        others = "out of memory: pass a smaller --size or fewer --num-images, or see what would fit"
        say(f"dreamsampler: {ours or others + ' with `dreamsampler plan`'}")
        return WRONG
    if isinstance(error, ValueError | OSError):
        say(f"dreamsampler: {error}")
        return WRONG
    say(f"dreamsampler: unexpected {type(error).__name__}: {error} (--debug shows where)")
    return UNEXPECTED


def _flush_stdout() -> None:
    """Flush what help has printed, without a complaint about a closed pipe now or at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
