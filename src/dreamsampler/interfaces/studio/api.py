"""The HTTP interface: one endpoint a task, with the task's own options by their names.

Made of the same fields as the page; `gradio_client` and plain curl speak to it (docs/studio.md).
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from dreamsampler.interfaces.studio.fields import Field, fields_of
from dreamsampler.interfaces.studio.shelf import RECIPE
from dreamsampler.interfaces.studio.views import names
from dreamsampler.interfaces.studio.visits import Visits
from dreamsampler.interfaces.studio.worker import Canceled

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.looks import Look
    from dreamsampler.interfaces.studio.room import Room

OPERATOR_FILES = "operator_files"
"""Parameter of tasks with an operator: the files that it names."""


def interfaces(looks: Sequence[Look], room: Room, page: gr.Blocks) -> None:
    """An endpoint for each task; made inside a `gr.Blocks`, of components nobody sees.

    Args:
        looks: whose tasks.
        room: what the server shares.
        page: these blocks.
    """
    visits = Visits(page)
    with gr.Column(visible=False):
        for look in looks:
            fields = parameters(look.task)
            boxes = [_box(field) for field in fields]
            status = gr.JSON(label="recipe")
            files = gr.File(label="files", file_count="multiple")
            gr.Button().click(
                endpoint(look.task, fields, room, visits),
                boxes,
                [status, files],
                api_name=look.name,
                api_description=inspect.getdoc(look.task),
                concurrency_id="model",
                concurrency_limit=1,
            )


def parameters(task: type) -> list[Field]:
    """The fields of a task, and the files of its operator if it has one."""
    fields = fields_of(task)
    if any(field.name == "operator" for field in fields):
        told = "files that the operator names, uploaded"
        fields.append(Field(OPERATOR_FILES, "files", told, default=(), optional=True))
    return fields


def endpoint(task: type, fields: Sequence[Field], room: Room, visits: Visits) -> Any:
    """What an endpoint does: tells how far it is, then gives the recipe and the files."""

    def run(request: gr.Request, *given: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        name = f"api {secrets.token_hex(8)}"
        visits.begin(str(request.session_hash))
        try:
            values = received(fields, given, room)
            files = values.pop(OPERATOR_FILES, None) or []
            job = room.desk.order(task, values, room.owner(request), files)
            room.begin(request, name, job)
            try:
                for step in job.follow():
                    told = {"stage": step.stage, "step": step.done, "total": step.total}
                    yield {**told, "seconds": round(step.seconds, 2)}, None
            finally:
                room.end(request, name, job)
        except Canceled as error:
            raise gr.Error("Canceled.", print_exception=False) from error
        except Exception as error:
            raise gr.Error(room.told(error), print_exception=False) from error
        finally:
            visits.end(str(request.session_hash))
        kept = job.result
        paths = [*kept.results, kept.folder / RECIPE]
        copies = [room.hand_out(p, n) for p, n in zip(paths, names(kept, paths), strict=True)]
        yield kept.recipe, copies

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    asked = [inspect.Parameter("request", kind, annotation=gr.Request)]
    # clients may leave out what has None here; the task knows its own defaults
    empty = inspect.Parameter.empty
    asked += [
        inspect.Parameter(f.name, kind, default=empty if f.required else None) for f in fields
    ]
    run.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
    run.__annotations__ = {"request": gr.Request}
    return run


def received(fields: Sequence[Field], given: Sequence[Any], room: Room) -> dict[str, Any]:
    """Field -> value, after a look at every file: it must be one that this server has received.

    Raises:
        InputError: it is another file of the server, or none.
    """
    values = dict(zip([field.name for field in fields], given, strict=True))
    for field in fields:
        value = values[field.name]
        if field.kind in ("file", "files") and value:
            several = value if isinstance(value, list) else [value]
            paths = [room.uploaded(each) for each in several]
            values[field.name] = paths if isinstance(value, list) else paths[0]
    return values


def _box(field: Field) -> Any:
    """A component that only says what is wanted; what comes is read by `fields.read`."""
    default = None if field.required else field.default
    label = f"{field.name}: {field.help}"
    match field.kind:
        case "file" if field.name != "scene":
            return gr.File(label=label, type="filepath")
        case "file" | "files":
            return gr.File(label=label, type="filepath", file_count="multiple")
        case "flag":
            return gr.Checkbox(bool(default), label=label)
        case "number" if not field.choices:
            return gr.Number(default, label=label, precision=0 if field.whole else None)
        case "choice":
            choices = list(field.choices)
            return gr.Dropdown(choices, value=default, label=label)
        case "text":
            return gr.Textbox(default, label=label)
    return gr.JSON(label=label)
