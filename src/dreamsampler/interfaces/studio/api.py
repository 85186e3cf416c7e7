"""The HTTP interface: one endpoint a task, with the task's own options by their names.

`gradio_client` and plain curl speak to it (docs/studio.md).
"""

from __future__ import annotations

import inspect
import secrets
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.cancel import Canceled
from dreamsampler.interfaces.studio.calls import options_of_call
from dreamsampler.interfaces.studio.uploads import is_scene
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import Option

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions


def add_endpoints(tasks: Sequence[type[Task]], sessions: Sessions, page: gr.Blocks) -> None:
    """An endpoint for each task; made inside the blocks of the page, and not shown there."""
    clients = Clients(page)
    with gr.Column(visible=False):
        for task in tasks:
            options = options_of_call(task)
            boxes = [_box(option, task) for option in options]
            recipe = gr.JSON(label="recipe")
            files = gr.File(label="files", file_count="multiple")
            gr.Button().click(
                endpoint(task, options, sessions, clients),
                boxes,
                [recipe, files],
                api_name=task.name(),
                api_description=inspect.getdoc(task),
                concurrency_id="model",
                concurrency_limit=1,
            )


def endpoint(
    task: type[Task], options: Sequence[Option], sessions: Sessions, clients: Clients
) -> Any:
    """The function of an endpoint: yields how far the run is, then the recipe and the files."""

    def run(request: gr.Request, *given: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        names = [option.name for option in options]
        uploads = [option.name for option in options if option.kind in ("file", "files")]
        clients.begin(str(request.session_hash))
        try:
            values = sessions.received(dict(zip(names, given, strict=True)), uploads)
            with sessions.job(request, f"api {secrets.token_hex(8)}", task, values) as job:
                for status in job.follow():
                    steps = {"stage": status.stage, "step": status.done, "total": status.total}
                    yield {**steps, "seconds": round(status.seconds, 2)}, None
            stored = job.result
            yield stored.recipe, [sessions.hand_out(*each) for each in stored.downloads]
        except Canceled as error:
            raise gr.Error("Canceled.", print_exception=False) from error
        except Exception as error:
            raise gr.Error(sessions.message(error), print_exception=False) from error
        finally:
            clients.end(str(request.session_hash))

    kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    # clients may leave out what has None here; the task has its own defaults
    defaults = {option.name: empty if option.required else None for option in options}
    parameters = [inspect.Parameter("request", kind, annotation=gr.Request)]
    parameters += [inspect.Parameter(n, kind, default=value) for n, value in defaults.items()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {"request": gr.Request}
    return run


def _box(option: Option, task: type[Task]) -> Any:
    """A component that describes an option; what comes is read by `Option.read`."""
    default = None if option.required else option.default
    label = f"{option.name}: {option.help}"
    match option.kind:
        case "file" | "files":
            several = option.kind == "files" or is_scene(task, option.name)
            count: Any = "multiple" if several else "single"
            return gr.File(label=label, type="filepath", file_count=count)
        case "flag":
            return gr.Checkbox(bool(default), label=label)
        case "number" if not option.words:
            return gr.Number(default, label=label, precision=0 if option.whole else None)
        case "choice":
            return gr.Dropdown(list(option.words), value=default, label=label)
        case "text":
            return gr.Textbox(default, label=label)
    return gr.JSON(label=label)


@final
class Clients:
    """Removes the states that gradio keeps for programs, once these have their answer.

    Gradio keeps the state of every component, 0.8 MiB, for each of the last 10,000 visitors, and
    each program is one.

    Args:
        page: the blocks; they keep states once they are launched.
    """

    def __init__(self, page: Any) -> None:
        self._page, self._answered = page, set[str]()
        self._lock = threading.Lock()

    def begin(self, session: str) -> None:
        """A request came: remove the states of those that have their answers by now."""
        with self._lock:
            answered, self._answered = self._answered - {session}, set()
        for each in answered:
            self._page.state_holder.session_data.pop(each, None)
            self._page.state_holder.time_last_used.pop(each, None)

    def end(self, session: str) -> None:
        """An answer is about to be sent; until it is, gradio needs the state."""
        with self._lock:
            self._answered.add(session)
