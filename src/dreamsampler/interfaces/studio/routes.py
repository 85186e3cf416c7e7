"""The routes of the studio's HTTP interface; the page is one of its clients."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, final

from fastapi import APIRouter, Query, Request, UploadFile
from fastapi.responses import FileResponse, Response, StreamingResponse

from dreamsampler.interfaces.studio import answers, describe, examples
from dreamsampler.interfaces.studio.failures import Refused, field_of, message
from dreamsampler.interfaces.studio.hints import Hints, degraded
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.scenes import safe_name
from dreamsampler.interfaces.studio.schemas import (
    CheckAnswer,
    CheckRequest,
    DegradeRequest,
    ExampleRequest,
    File,
    Filled,
    RunAnswer,
    RunRequest,
    Started,
    UseRequest,
)
from dreamsampler.interfaces.studio.specs import TABS
from dreamsampler.interfaces.studio.submission import BESIDE, Submissions
from dreamsampler.interfaces.studio.uploads import Upload, Uploads
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.from_values import file_options, task_type
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.recipe import upgrade
from dreamsampler.version import __version__

TASKS: dict[str, type[Task]] = {spec.name: spec.task for spec in TABS}
FILE_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""Of files that visitors sent: an SVG file may hold scripts."""
MOST_LISTED = 500
"""Runs in one answer."""


@final
@dataclass(frozen=True, eq=False)
class Services:
    """What the routes work with.

    Args:
        submissions: takes tasks; has the runs, the uploads and the worker.
        hints: looks at pictures and prompts.
        keeps: whether runs outlive the server.
        debug: whether every error is logged with its traceback.
        closing: set when the server stops, which ends open streams.
    """

    submissions: Submissions
    hints: Hints
    keeps: bool
    debug: bool = False
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def store(self) -> RunStore:
        """The runs."""
        return self.submissions.store

    @property
    def uploads(self) -> Uploads:
        """The files."""
        return self.submissions.uploads


router = APIRouter()


def _of(request: Request) -> tuple[Services, str]:
    """The services, and whose request it is."""
    return request.app.state.services, request.state.owner


def _task(name: str) -> type[Task]:
    if name not in TASKS:
        text = f"there is no task {name!r}: choose one of {', '.join(TASKS)}"
        raise Refused(text, field="task")
    return TASKS[name]


def _upload(services: Services, owner: str, name: str) -> Upload:
    """The picture that a request names."""
    try:
        return services.uploads.find(owner, name)
    except Refused as error:
        raise Refused(str(error), field="image") from error


@router.get("/info")
def info(request: Request) -> dict[str, Any]:
    """The model, the limits, and every task with its fields and examples."""
    services, _ = _of(request)
    model, limits = services.submissions.worker.model, services.uploads.limits
    name, title = describe.title_of(model)
    arguments = describe.arguments_of_call(model)
    return {
        "version": __version__,
        "title": title,
        "card": describe.card(name),
        "words": sorted(services.hints.words),
        "limits": {
            "bytes": limits.bytes,
            "pixels": limits.pixels,
            "queue": services.submissions.worker.most,
        },
        "user": request.state.user,
        "keeps": services.keeps,
        "photo": services.hints.both,
        "tasks": describe.tasks_of(arguments),
        "call_arguments": list(arguments),
    }


@router.get("/operators")
def operators() -> list[dict[str, Any]]:
    """What may have happened to a picture, and the parameters of it."""
    return describe.operators()


@router.post("/files", status_code=201)
def add_file(request: Request, file: list[UploadFile]) -> File:
    """Upload a picture or an SVG file; or several files, which are a scene."""
    services, owner = _of(request)
    sent = [(each.filename or "file", each.file) for each in file]
    return answers.file_answer(services.uploads.add(owner, sent))


@router.get("/files/{id:path}", response_class=FileResponse)
def get_file(request: Request, id: str, preview: bool = False) -> FileResponse:
    """A file, or a picture of it that every browser shows."""
    services, owner = _of(request)
    upload = services.uploads.find(owner, id)
    path = services.uploads.preview(upload) if preview else upload.shown
    return FileResponse(path, headers=FILE_HEADERS)


@router.post("/recipe")
def read_recipe(request: Request, file: UploadFile) -> Filled:
    """The task and the options in a recipe, or in a picture or drawing that was made here."""
    services, _ = _of(request)
    with tempfile.TemporaryDirectory(prefix="dreamsampler-recipe-") as folder:
        path = Path(folder) / safe_name(file.filename or "recipe.json")
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        services.uploads.limits.check_bytes(path)
        task, values = settings_of(path)
    return Filled(task=task, values=values)


@router.get("/examples/{name}", response_class=FileResponse)
def example_picture(name: str) -> FileResponse:
    """A picture of the package."""
    return FileResponse(examples.picture_of(name), headers={"cache-control": "max-age=86400"})


@router.post("/examples")
def fill_example(request: Request, body: ExampleRequest) -> Filled:
    """The values of an example, whose pictures become files of the visitor."""
    services, owner = _of(request)
    example = examples.example_of(body.task, body.label)
    values, found = examples.filled(example, owner, services.uploads)
    made = {each.id: answers.file_answer(each) for each in found}
    return Filled(task=body.task, values=values, files=made)


@router.post("/check")
def check(request: Request, body: CheckRequest) -> CheckAnswer:
    """What the model does not know of a picture and a prompt, before anything is computed."""
    services, owner = _of(request)
    _task(body.task)
    upload = _upload(services, owner, body.image) if body.image else None
    picture = services.hints.of_picture(body.task, upload)
    return CheckAnswer(picture=picture, words=services.hints.of_prompt(body.prompt))


@router.post("/degrade", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def degrade(request: Request, body: DegradeRequest) -> Response:
    """What an operator makes of a picture, as a PNG."""
    services, owner = _of(request)
    upload = _upload(services, owner, body.image)

    def located(text: str, folder: Path) -> str:
        return services.submissions.located(text, body.operator_files, folder, owner)

    try:
        data = degraded(upload, body.operator, body.noise, services.uploads.limits, located)
    except ValueError as error:
        text = message(error)
        raise Refused(text, field=field_of(text, ["image", "noise"]) or "operator") from error
    return Response(data, media_type="image/png")


@router.post("/runs", status_code=202)
def start_run(request: Request, body: RunRequest) -> Started:
    """Put a task into the queue."""
    services, owner = _of(request)
    kind = _task(body.task)
    try:
        job = services.submissions.submit(kind, body.values, owner)
    except ValueError as error:
        known = error if isinstance(error, Refused) else Refused(message(error))
        names = [*options_of(kind), *(option.name for option in BESIDE)]
        unknown = [name for name in body.values if name not in names]
        named = known.field or (unknown[0] if unknown else field_of(str(known), names))
        raise Refused(str(known), known.status, named) from error
    return Started(id=job.name)


@router.get("/runs")
def list_runs(
    request: Request, words: str = "", most: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 60
) -> list[RunAnswer]:
    """The newest runs whose prompts, operators or tasks have some words."""
    services, owner = _of(request)
    return [answers.run_answer(run) for run in services.store.runs(owner, words, most)]


@router.get("/runs/{id}")
def get_run(request: Request, id: str) -> RunAnswer:
    """A finished run."""
    services, owner = _of(request)
    return answers.run_answer(services.store.find(owner, id))


@router.delete("/runs/{id}", status_code=204)
def delete_run(request: Request, id: str) -> None:
    """Delete a run and its files."""
    services, owner = _of(request)
    services.store.delete(owner, id)


@router.get(
    "/runs/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(request: Request, id: str) -> StreamingResponse:
    """Follow a run from its present state: `queued`, `step`, `done`, `failed` or `canceled`."""
    services, owner = _of(request)
    worker = services.submissions.worker
    if (job := worker.find(owner, id)) is not None:
        stream: Any = answers.events_of(job, worker, services.closing)
    else:
        stream = iter([answers.done(services.store.find(owner, id))])
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.post("/runs/{id}/cancel", status_code=204)
def cancel(request: Request, id: str) -> None:
    """End a run, or take it out of the queue; nothing happens to one that is over."""
    services, owner = _of(request)
    job = services.submissions.worker.find(owner, id)
    if job is None:
        services.store.find(owner, id)
    else:
        job.cancel()


@router.post("/runs/{id}/use")
def use(request: Request, id: str, body: UseRequest) -> File:
    """A result as a file, to go on from."""
    services, owner = _of(request)
    run = services.store.find(owner, id)
    if body.name not in run.recipe["studio"]["results"]:
        raise Refused("this run has no such result", field="name")
    return answers.file_answer(services.uploads.add(owner, [(body.name, run.file(body.name))]))


@router.get("/runs/{id}/{name:path}", response_class=FileResponse)
def run_file(request: Request, id: str, name: str, download: bool = False) -> FileResponse:
    """A file of a run."""
    services, owner = _of(request)
    run = services.store.find(owner, id)
    path = run.file(name)
    if not path.is_file():
        raise Refused("there is no such file in this run", 404)
    given: Mapping[str, Any] = {"filename": run.download(name)} if download else {}
    return FileResponse(path, headers=FILE_HEADERS, **given)


def settings_of(path: Path) -> tuple[str, dict[str, Any]]:
    """The task and the options, without files, in a recipe, or in what was made with it."""
    from dreamsampler.images.save import read_recipe

    try:
        json_file = path.suffix.lower() == ".json"
        recipe = upgrade(json.loads(path.read_bytes()) if json_file else read_recipe(path))
        task, options = str(recipe["task"]), dict(recipe["options"])
    except (
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        UnicodeError,
        json.JSONDecodeError,
    ):
        raise Refused(f"{path.name} holds no recipe of a task", 400) from None
    known, files = options_of(task_type(task)), file_options(task)
    return task, {n: v for n, v in options.items() if n in known and n not in files}
