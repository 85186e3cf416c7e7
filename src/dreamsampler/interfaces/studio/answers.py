"""Files and runs as answers have them."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dreamsampler.cancel import Canceled
from dreamsampler.interfaces.studio.failures import field_of, message
from dreamsampler.interfaces.studio.findings import sentences
from dreamsampler.interfaces.studio.run_store import BEFORE, RECIPE, THUMB, StoredRun
from dreamsampler.interfaces.studio.schemas import File, Made, Number, RunAnswer
from dreamsampler.interfaces.studio.uploads import Upload
from dreamsampler.interfaces.studio.worker import Job, Worker
from dreamsampler.tasks.options import options_of

KINDS = {".png": "picture", ".svg": "svg", ".glb": "mesh", ".gif": "video", ".mp4": "video"}
"""Suffix of a result -> what the page does with it."""
EVERY, ALIVE = 0.1, 15.0
"""Seconds between two looks at a job, and between signs of life on a silent stream."""


def file_answer(upload: Upload) -> File:
    """An upload."""
    height, width = upload.size
    return File(
        id=upload.id,
        name=upload.path.name,
        kind=upload.kind,
        width=width,
        height=height,
        url=f"/api/files/{quote(upload.id)}",
        megapixels=round(height * width / 1e6, 3),
    )


def run_answer(run: StoredRun) -> RunAnswer:
    """A finished run."""
    recipe, report = run.recipe, dict(run.recipe.get("report", {}))
    notes = [*recipe.get("notes", [])]
    notes += [str(report.pop(name)) for name in ("warning", "note") if name in report]
    seconds = sum(v for v in recipe.get("seconds", {}).values() if isinstance(v, int | float))
    numbers = [Number(name=n.replace("_", " "), value=_plain(v)) for n, v in report.items()]
    return RunAnswer(
        id=run.name,
        task=recipe["task"],
        title=run.title,
        created=str(recipe.get("date", "")),
        thumb=_url(run, THUMB),
        before=_url(run, BEFORE) if (run.folder / BEFORE).exists() else None,
        results=[_made(run, name, i) for i, name in enumerate(recipe["studio"]["results"])],
        values=run.values,
        words=sentences(recipe),
        notes=notes,
        numbers=numbers,
        recipe=_url(run, RECIPE),
        seconds=round(seconds, 2),
        evaluations=recipe.get("evaluations", 0),
    )


def _made(run: StoredRun, name: str, number: int) -> Made:
    """A result of a run."""
    path, recipe, studio = Path(name), run.recipe, run.recipe["studio"]
    seeds = recipe.get("seeds", [])
    seed = seeds[number] if number < len(seeds) and len(path.parts) == 1 else None
    label = path.stem.removeprefix("result").strip("-").replace("_", " ")
    tried = studio.get("candidates", {}).get(name, {"label": label, "seed": seed})
    width, height = studio.get("sizes", {}).get(name, (None, None))
    return Made(
        name=name,
        label=tried["label"],
        kind=KINDS.get(path.suffix, "file"),  # type: ignore[arg-type]
        url=_url(run, name),
        download=run.download(name),
        width=width,
        height=height,
        seed=tried["seed"],
    )


def _plain(value: Any) -> str | float | int:
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _url(run: StoredRun, name: str) -> str:
    return f"/api/runs/{run.name}/{quote(name)}"


async def events_of(job: Job, worker: Worker, closing: threading.Event) -> AsyncIterator[str]:
    """Server-sent events of a job, its present state first, until it is over."""
    seen, silent = None, 0.0
    while not (job.over or closing.is_set()):
        position, seconds = worker.place(job)
        queued = job.started is None
        new = position if queued else job.status
        if new != seen:
            waits = {"position": position, "eta_seconds": seconds and round(seconds, 1)}
            yield _event("queued", waits) if queued else step_of(job, seconds)
            seen, silent = new, 0.0
        elif silent > ALIVE:
            yield ": still there\n\n"
            silent = 0.0
        await asyncio.sleep(EVERY)
        silent += EVERY
    if job.over:
        yield ended(job)


def step_of(job: Job, seconds: float | None) -> str:
    """How far a job is, and seconds until it is over, as an event."""
    status = job.status
    preview = status.preview and base64.b64encode(status.preview).decode()
    data = {
        "step": status.done,
        "total": status.total,
        "seconds_left": None if seconds is None else round(seconds, 1),
        "stage": status.stage,
        "preview": f"data:image/webp;base64,{preview}" if preview else None,
        "svg": status.svg,
    }
    return _event("step", data)


def ended(job: Job) -> str:
    """The last event of a job."""
    if isinstance(job.error, Canceled):
        return _event("canceled", {})
    if job.error is not None:
        text = message(job.error)
        return _event(
            "failed", {"message": text, "field": field_of(text, options_of(type(job.task)))}
        )
    return done(job.result)


def done(run: StoredRun) -> str:
    """The last event of a run that has a result."""
    return _event("done", {"run": run_answer(run).model_dump()})


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
