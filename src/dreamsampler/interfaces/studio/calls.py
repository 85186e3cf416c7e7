"""Calls of programs, checked before gradio has them: what cannot be meant gets a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.studio.submission import CALL, CALL_FILES, OPERATOR_FILES
from dreamsampler.interfaces.studio.uploads import is_scene
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import Option, options_of, unknown_option

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions

_CALL = re.compile(r"/(call|call/v2|run|api)/+([^/]+)/*$")


def options_of_call(task: type[Task]) -> list[Option]:
    """The options of a task's endpoint: its own, a call's, and the uploads that they name."""
    options = list(options_of(task).values())
    if any(option.name == "operator" for option in options):
        about = "files that the operator names, uploaded"
        options.append(Option(OPERATOR_FILES, "files", about, (), optional=True))
    return [*options, CALL, CALL_FILES]


@final
class Calls:
    """The calls that the endpoints of tasks take.

    Args:
        tasks: with an endpoint each.
        sessions: knows the uploads.
        page: the blocks, with the functions that gradio calls by number.
    """

    def __init__(self, tasks: Sequence[type[Task]], sessions: Sessions, page: Any) -> None:
        self._tasks = {task.name(): task for task in tasks}
        self._sessions, self._page = sessions, page

    def check(self, path: str, request: Any) -> Any:
        """A request as gradio can take it: a single file in a list, numbers as numbers."""
        found = _CALL.search(path)
        numbered = found is not None and found[2] == "predict"  # how the page itself calls
        queued = numbered or path.rstrip("/").endswith("/queue/join")
        if not found and not queued:
            return request
        if not isinstance(request, dict):
            raise InputError("a call must be a JSON object with the options of the task")
        if queued:
            number = request.get("fn_index")
            if numbered and not isinstance(number, int):
                raise LookupError(f"there is no call 'predict': call {', '.join(self._tasks)}")
            function = self._page.fns.get(number) if isinstance(number, int) else None
            if isinstance(number, int) and function is None:
                raise LookupError(f"there is no function {number}: reload the page")
            name = str(getattr(function, "api_name", ""))
            if name not in self._tasks:
                return request
        else:
            assert found is not None
            name = found[2]
            if name not in self._tasks:
                raise LookupError(f"there is no call {name!r}: call {', '.join(self._tasks)}")
        options, named = options_of_call(self._tasks[name]), bool(found and found[1] == "call/v2")
        values = self._named(name, options, request, named)
        for option in options:  # a form that is left empty is answered by the page
            if option.required and _empty(values.get(option.name)) and not queued:
                reason = f"and it is missing: {option.help}"
                raise InputError(f"{name} needs {option.name}, {reason}")
        read = {o.name: self._read(name, o, values.get(o.name)) for o in options}
        if named:
            return read
        return {**request, "data": list(read.values())}

    def _named(
        self, name: str, options: Sequence[Option], request: dict[str, Any], named: bool
    ) -> dict[str, Any]:
        """Option -> value."""
        names = [option.name for option in options]
        if named:
            for each in request:
                if each not in names:
                    raise unknown_option(name, each, names)
            return request
        data = request.get("data")
        if not isinstance(data, list) or len(data) > len(names):
            raise InputError(f"data must be a list of at most {len(names)}: {', '.join(names)}")
        return dict(zip(names, data, strict=False))

    def _read(self, name: str, option: Option, value: Any) -> Any:
        if _empty(value):
            return value if value == [] else None
        if option.kind not in ("file", "files"):
            found = option.read(value)
            return found if option.kind == "number" and not option.words else value
        several = value if isinstance(value, list) else [value]
        for each in several:
            if not (isinstance(each, dict) and isinstance(each.get("path"), str)):
                raise InputError(f"{option.name} must be an uploaded file, with its path")
            self._sessions.uploaded(each["path"])
        if option.kind == "files" or is_scene(self._tasks[name], option.name):
            return several
        if len(several) != 1:
            raise InputError(f"{option.name} is {len(several)} files, but must be one")
        return several[0]


def _empty(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())
