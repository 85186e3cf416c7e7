"""Tasks from plain values: the rows of a batch, the recipes inside of pictures; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dreamsampler.files import InputError
from dreamsampler.tasks import TASKS
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import (
    json_list,
    near,
    options_of,
    read_options,
    shown,
    unknown_option,
)


def task_type(name: Any) -> type[Task]:
    """A task's class; InputError for a name that no task has."""
    if not isinstance(name, str) or name not in TASKS:
        raise InputError(
            f"there is no task {shown(name)}{near(name, TASKS)}: choose one of {', '.join(TASKS)}"
        )
    return TASKS[name]


def task_of(name: Any, options: Mapping[str, Any]) -> Task:
    """A task by its name, from values as JSON, a table or a form have them.

    What a task itself refuses (`check`) is not looked at here.

    Args:
        options: its fields; None and blank text leave one out.

    Raises:
        InputError: no such task, no such option, a missing option, or a value of another kind.

    Example:
        >>> task_of("edit", {"image": "cat.png", "prompt": "dog face", "seed": "3"}).seed
        3
    """
    return read_options(task_type(name), options, name)


def file_options(name: str) -> list[str]:
    """The options of a task that are files."""
    known = options_of(task_type(name)).values()
    return [option.name for option in known if option.kind in ("file", "files")]


def with_files(name: str, options: Mapping[str, Any], change: Callable[[Any], Any]) -> dict:
    """Options with other names for their files, those in operators and regularizers among them.

    Args:
        change: a file's name -> another one.
    """
    found = {**options}
    for option in file_options(name):
        if found.get(option) is not None:
            found[option] = _each(found[option], change)
    for option in ("operator", "regularize"):
        text = found.get(option)
        if isinstance(text, str) and "(" in text:  # loads torch, which most rows do without
            from dreamsampler.operators.grammar import with_files as renamed
            from dreamsampler.operators.spec import OPERATORS
            from dreamsampler.regularizers.parse import REGULARIZERS

            known: Any = OPERATORS if option == "operator" else REGULARIZERS
            found[option] = renamed(text, lambda path: str(change(path)), known)
    return found


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """A file changed, or each of several; a table holds several as JSON."""
    value = json_list(value)
    if isinstance(value, list | tuple):
        return [_each(each, change) for each in value]
    return change(value)


def read_option(kind: type[Task], name: str, value: Any) -> Any:
    """One value of a task's option, as `task_of` reads it; InputError."""
    known = options_of(kind)
    if name not in known:
        raise unknown_option(kind.name(), name, known)
    return known[name].read(value)
