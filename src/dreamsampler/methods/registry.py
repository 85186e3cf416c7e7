"""Every method by its name: its function, its published settings, and when to use it.

A new method is one file with a `run` function, and one entry in its folder's `entries.py`. No torch
is imported until a method is loaded.
"""

from __future__ import annotations

from difflib import get_close_matches

from dreamsampler.methods.edit import entries as edit
from dreamsampler.methods.entry import Method, MethodTask
from dreamsampler.methods.inpaint import entries as inpaint
from dreamsampler.methods.restore import entries as restore

__all__ = ["METHODS", "Method", "MethodTask", "method", "methods_of"]

METHODS: tuple[Method, ...] = (*edit.METHODS, *inpaint.METHODS, *restore.METHODS)
"""Every method, the default one of each task first."""


def methods_of(task: str) -> dict[str, Method]:
    """Name -> method, of one task.

    Example:
        >>> list(methods_of("restore"))
        ['default', 'treg', 'flowdps', 'dpir', 'diffpir', 'ddnm', 'dps', 'psld', 'dreamsampler']
    """
    return {each.name: each for each in METHODS if each.task == task}


def method(task: str, name: str) -> Method:
    """A method of a task by its name.

    Raises:
        ValueError: an unknown name, with a suggestion.
    """
    known = methods_of(task)
    if name in known:
        return known[name]
    near = get_close_matches(str(name), known, 1)
    guess = f"did you mean {near[0]}? (" if near else "choose one of "
    end = ")" if near else ""
    raise ValueError(f"there is no method {name!r}: {guess}{', '.join(known)}{end}")
