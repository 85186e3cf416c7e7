"""The studio's web application: its HTTP interface, of which the page is one client; its errors."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, TypeAlias, final

from fastapi import APIRouter, Body, Depends, FastAPI, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from dreamsampler.interfaces.studio import answers, describe, examples, schemas
from dreamsampler.interfaces.studio.failures import Refused, field_of, message
from dreamsampler.interfaces.studio.guard import failure
from dreamsampler.interfaces.studio.hints import Hints
from dreamsampler.interfaces.studio.scenes import safe_name
from dreamsampler.interfaces.studio.specs import TABS
from dreamsampler.interfaces.studio.submission import BESIDE, Submissions
from dreamsampler.interfaces.studio.uploads import MEASURED, Upload, Uploads
from dreamsampler.tasks import Degrade
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.from_values import file_options, task_type
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.recipe import upgrade
from dreamsampler.version import __version__

STATIC = Path(__file__).parent / "static"
NOT_BUILT = "<!doctype html><title>DreamSampler</title><p>The page is not built: run make studio."
MEANINGS = {
    400: "cannot be meant",
    401: "not logged in",
    403: "from another site",
    404: "not there, or not yours",
    413: "too large",
    422: "a wrong value, with its field",
    429: "too many runs wait",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Failure, "description": text} for status, text in MEANINGS.items()
}
TASKS: dict[str, type[Task]] = {spec.name: spec.task for spec in TABS}
SANDBOX = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""Of files that visitors sent: an SVG file may hold scripts."""


@final
@dataclass(frozen=True, eq=False)
class Services:
    """What the routes work with."""

    submissions: Submissions
    hints: Hints
    keeps: bool
    """Whether runs outlive the server."""
    debug: bool = False
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the server stops, which ends open streams."""


@final
class Visit:
    """A request: whose it is, and what it is served with."""

    def __init__(self, request: Request) -> None:
        self.services: Services = request.app.state.services
        self.owner: str = request.state.owner
        self.user: str | None = request.state.user
        submissions = self.services.submissions
        self.submissions, self.worker = submissions, submissions.worker
        self.store, self.uploads = submissions.store, submissions.uploads

    def picture(self, name: str) -> Upload:
        """The picture that a request names."""
        try:
            return self.uploads.find(self.owner, name)
        except Refused as error:
            raise Refused(str(error), field="image") from error


Visiting: TypeAlias = Annotated[Visit, Depends(Visit)]
Embedded: TypeAlias = Annotated[str, Body(embed=True)]
"""A member of the JSON object that comes."""
router = APIRouter()


def _task(name: str) -> type[Task]:
    if name not in TASKS:
        raise Refused(f"there is no task {name!r}: choose one of {', '.join(TASKS)}", field="task")
    return TASKS[name]


@router.get("/info")
def info(visit: Visiting) -> dict[str, Any]:
    """The model, the limits, and every task with its fields and examples."""
    limits, hints = visit.uploads.limits, visit.services.hints
    return {
        **describe.model_and_tasks(visit.worker.model),
        "words": sorted(hints.words),
        "limits": {"bytes": limits.bytes, "pixels": limits.pixels, "queue": visit.worker.most},
        "user": visit.user,
        "keeps": visit.services.keeps,
        "photo": hints.both,
    }


@router.get("/operators")
def operators() -> list[dict[str, Any]]:
    """What may have happened to a picture, and the parameters of it."""
    return describe.operators()


@router.post("/files", status_code=201)
def add_file(visit: Visiting, file: list[UploadFile]) -> schemas.File:
    """Upload a picture or an SVG file; or several files, which are a scene."""
    sent = [(each.filename or "file", each.file) for each in file]
    return answers.file_answer(visit.uploads.add(visit.owner, sent))


@router.get("/files/{id:path}", response_class=FileResponse)
def get_file(visit: Visiting, id: str, preview: bool = False) -> FileResponse:
    """A file, or a picture of it that every browser shows."""
    upload = visit.uploads.find(visit.owner, id)
    path = visit.uploads.preview(upload) if preview else upload.shown
    return FileResponse(path, headers=SANDBOX)


@router.post("/recipe")
def read_recipe(visit: Visiting, file: UploadFile) -> schemas.Filled:
    """The task and the options in a recipe, or in a picture or drawing that was made here."""
    with tempfile.TemporaryDirectory(prefix="dreamsampler-recipe-") as folder:
        path = Path(folder) / safe_name(file.filename or "recipe.json")
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        visit.uploads.limits.check_bytes(path)
        task, values = settings_of(path)
    return schemas.Filled(task=task, values=values)


@router.get("/examples/{name}", response_class=FileResponse)
def example_picture(name: str) -> FileResponse:
    """A picture of the package."""
    return FileResponse(examples.picture_of(name), headers={"cache-control": "max-age=86400"})


@router.post("/examples")
def fill_example(visit: Visiting, task: Embedded, label: Embedded) -> schemas.Filled:
    """The values of an example, whose pictures become files of the visitor."""
    example = examples.example_of(task, label)
    values, found = examples.filled(example, visit.owner, visit.uploads)
    files = {each.id: answers.file_answer(each) for each in found}
    return schemas.Filled(task=task, values=values, files=files)


@router.post("/check")
def check(visit: Visiting, body: schemas.CheckRequest) -> schemas.CheckAnswer:
    """What the model does not know of a picture and a prompt, before anything is computed."""
    _task(body.task)
    hints, upload = visit.services.hints, visit.picture(body.image) if body.image else None
    picture = hints.of_picture(body.task, upload)
    return schemas.CheckAnswer(picture=picture, words=hints.of_prompt(body.prompt))


@router.post("/degrade", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def degrade(visit: Visiting, body: schemas.DegradeRequest) -> Response:
    """What an operator makes of a picture, as a PNG; a preview of it at most 1024 pixels long."""
    upload, files, data = visit.picture(body.image), body.operator_files, BytesIO()
    try:
        with tempfile.TemporaryDirectory() as folder, visit.uploads.decoding:
            operator = visit.submissions.located(body.operator, files, Path(folder), visit.owner)
            picture = upload.picture() if upload.kind == "svg" else upload.shown
            task = Degrade(picture, operator, noise=body.noise)
            task.check()
            visit.uploads.limits.check_size(*task.check_files(), "the result")
            if body.preview:
                task = previewed(task, upload, visit.uploads)
            image = task(progress=False).images[0]
    except ValueError as error:
        text = message(error)
        raise Refused(text, field=field_of(text, ["image", "noise"]) or "operator") from error
    image.save(data, "PNG")
    return Response(data.getvalue(), media_type="image/png")


def previewed(task: Degrade, upload: Upload, uploads: Uploads) -> Degrade:
    """The same on fewer pixels: the whole picture scaled, or where that changes it the middle."""
    from PIL import Image

    scale = MEASURED / max(upload.size)
    if scale >= 1:
        return task
    if (small := task.description.scaled(scale)) is not None:
        with Image.open(uploads.preview(upload)) as image:
            image.thumbnail((MEASURED, MEASURED))
            return replace(
                task, image=image, operator=small[0], noise=min(1.0, task.noise * small[1])
            )
    if task.description.inputs():  # a mask has the size of its picture
        return task
    image = upload.picture()
    left, top = (max(side - MEASURED, 0) // 32 * 16 for side in image.size)  # JPEG's blocks
    right, bottom = min(left + MEASURED, image.width), min(top + MEASURED, image.height)
    return replace(task, image=image.crop((left, top, right, bottom)))


@router.post("/runs", status_code=202)
def start_run(visit: Visiting, body: schemas.RunRequest) -> schemas.Started:
    """Put a task into the queue."""
    kind = _task(body.task)
    try:
        job = visit.submissions.submit(kind, body.values, visit.owner)
    except ValueError as error:
        known = error if isinstance(error, Refused) else Refused(message(error))
        names = [*options_of(kind), *(option.name for option in BESIDE)]
        unknown = [name for name in body.values if name not in names]
        named = known.field or (unknown[0] if unknown else field_of(str(known), names))
        raise Refused(str(known), known.status, named) from error
    return schemas.Started(id=job.name)


@router.get("/runs")
def list_runs(
    visit: Visiting, words: str = "", most: Annotated[int, Query(ge=1, le=500)] = 60
) -> list[schemas.RunAnswer]:
    """The newest runs whose prompts, operators or tasks have some words."""
    return [answers.run_answer(run) for run in visit.store.runs(visit.owner, words, most)]


@router.get("/runs/{id}")
def get_run(visit: Visiting, id: str) -> schemas.RunAnswer:
    """A finished run."""
    return answers.run_answer(visit.store.find(visit.owner, id))


@router.delete("/runs/{id}", status_code=204)
def delete_run(visit: Visiting, id: str) -> None:
    """Delete a run and its files."""
    visit.store.delete(visit.owner, id)


@router.get(
    "/runs/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(visit: Visiting, id: str) -> StreamingResponse:
    """Follow a run from its present state: `queued`, `step`, `done`, `failed` or `canceled`."""
    job = visit.worker.find(visit.owner, id)
    if job is None or job.result is not None:
        stream: Any = iter([answers.done(visit.store.find(visit.owner, id))])
    else:
        stream = answers.events_of(job, visit.worker, visit.services.closing)
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.post("/runs/{id}/cancel", status_code=204)
def cancel(visit: Visiting, id: str) -> None:
    """End a run, or take it out of the queue; nothing happens to one that is over."""
    if (job := visit.worker.find(visit.owner, id)) is not None:
        job.cancel()
    else:
        visit.store.find(visit.owner, id)


@router.post("/runs/{id}/use")
def use(visit: Visiting, id: str, name: Embedded) -> schemas.File:
    """A result as a file, to go on from."""
    run = visit.store.find(visit.owner, id)
    if name not in run.recipe["studio"]["results"]:
        raise Refused("this run has no such result", field="name")
    return answers.file_answer(visit.uploads.add(visit.owner, [(name, run.file(name))]))


@router.get("/runs/{id}/{name:path}", response_class=FileResponse)
def run_file(visit: Visiting, id: str, name: str, download: bool = False) -> FileResponse:
    """A file of a run."""
    run = visit.store.find(visit.owner, id)
    path = run.file(name)
    if not path.is_file():
        raise Refused("there is no such file in this run", 404)
    return FileResponse(path, headers=SANDBOX, filename=run.download(name) if download else None)


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


def make_app(services: Services) -> FastAPI:
    """The application, without what `Guard` does in front of it."""
    app = FastAPI(
        title="DreamSampler Studio",
        version=__version__,
        description="Change pictures with diffusion models. Every task, its options and its files.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.include_router(router, prefix="/api", responses=ERRORS)
    app.add_api_route("/", page, include_in_schema=False, response_model=None)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")

    async def refused(request: Request, error: Exception) -> Response:
        del request
        return answer_to(error, debug=services.debug)

    for kind in (HTTPException, RequestValidationError, ValueError, OSError, Exception):
        app.add_exception_handler(kind, refused)
    return app


def answer_to(error: Exception, *, debug: bool = False) -> Response:
    """The answer to a request that went wrong."""
    if isinstance(error, HTTPException):
        text = message(ValueError(error.detail))
        return failure(error.status_code, text, headers=error.headers)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = [str(part) for part in first["loc"][1:]]
        text = f"{'.'.join(where) or 'The request'}: {first['msg'].lower()}"
        return failure(422, text, where[-1] if where else None)
    text = message(error, debug=debug)
    if isinstance(error, Refused):
        return failure(error.status, text, error.field)
    return failure(400 if isinstance(error, ValueError) else 500, text)


def page() -> Response:
    """The page itself."""
    built = STATIC / "index.html"
    if not built.exists():
        return HTMLResponse(NOT_BUILT)
    return FileResponse(built, headers={"cache-control": "no-cache"})
