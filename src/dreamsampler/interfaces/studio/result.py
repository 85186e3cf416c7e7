"""How a run is shown: its steps while it runs, then before and after, figures and files."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.interfaces.studio.run_store import BEFORE, StoredRun

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions
    from dreamsampler.interfaces.studio.worker import Status

TURN_SIDE = 320
"""Longest side of a turntable's frames, in pixels."""


@final
class Result:
    """The right side of a tab: made inside a `gr.Blocks`, it shows a text until there is a run."""

    def __init__(self, name: str, text: str) -> None:
        self.stage = gr.HTML(empty(text), elem_id=f"stage-{name}")
        self.slider = gr.ImageSlider(
            label="Before and after: move the line",
            visible=False,
            elem_id=f"slider-{name}",
            image_mode=None,
            type="filepath",
            max_height=640,
            buttons=["fullscreen"],
        )
        self.gallery = gr.Gallery(
            label="All pictures of this run",
            visible=False,
            columns=4,
            height="auto",
            object_fit="contain",
            elem_id=f"gallery-{name}",
            elem_classes="ds-gallery",
        )
        self.figures = gr.HTML("", elem_id=f"facts-{name}")
        self.files = gr.File(
            label="Download: the result, and the recipe that makes it again",
            visible=False,
            file_count="multiple",
            interactive=False,
            elem_id=f"files-{name}",
            elem_classes="ds-files",
            height=170,
        )
        self.outputs = [self.stage, self.slider, self.gallery, self.figures, self.files]
        """In the order of `show` and `clear`."""

    @staticmethod
    def clear(stage: str) -> list[Any]:
        """Values of the outputs where there is no result."""
        hidden = gr.update(visible=False, value=None)
        return [stage, hidden, hidden, "", hidden]

    @staticmethod
    def show(run: StoredRun, sessions: Sessions) -> list[Any]:
        """Values of the outputs for a finished run."""
        out, stage = sessions.hand_out, drawing(run)
        # depths are numbers, and black to the eye
        pictures = [p for p in run.results if p.suffix == ".png" and not p.name.startswith("depth")]
        compared = None
        if run.results[0].suffix == ".png" and not stage:
            compared = (out(run.folder / BEFORE), out(run.results[0]))
        gallery = []
        if len(pictures) > 1:
            caption = [path.stem.removeprefix("result-").replace("_", " ") for path in pictures]
            gallery = [(out(path), c) for path, c in zip(pictures, caption, strict=True)]
        return [
            stage,
            gr.update(visible=compared is not None, value=compared),
            gr.update(visible=bool(gallery), value=gallery or None),
            figures(run),
            gr.update(visible=True, value=[out(path, name) for path, name in run.downloads]),
        ]


def empty(text: str) -> str:
    """The place of a result."""
    return f'<div class="ds-stage ds-empty"><p>{escape(text)}</p></div>'


def running(status: Status) -> str:
    """How far a job is, with a preview."""
    share = status.done / status.total if status.total else None
    stage = status.stage.capitalize()
    if share and status.stage in ("step", "fit"):
        stage = f"{stage} {status.done} of {status.total}"
    values, wait, width = "", " ds-wait", ""
    if share:
        values = f' aria-valuemin="0" aria-valuemax="{status.total}" aria-valuenow="{status.done}"'
        wait, width = "", f' style="width:{100 * share:.0f}%"'
    picture = '<div class="ds-hush"></div>'
    if status.preview is not None:
        source = _data(status.preview, "image/jpeg")
        picture = f'<img alt="Preview: the current estimate" src="{source}">'
    return (
        f'<div class="ds-stage ds-running">{picture}'
        f'<div class="ds-bar{wait}" role="progressbar" aria-label="Steps"{values}>'
        f"<span{width}></span></div>"
        f'<p class="ds-count"><span>{escape(stage)}</span><span>{status.seconds:.0f} s</span></p>'
        "</div>"
    )


def failed(message: str) -> str:
    """What went wrong."""
    return f'<div class="ds-stage ds-trouble" role="alert"><p>{escape(message)}</p></div>'


def canceled(status: Status | None) -> str:
    """A run that was canceled."""
    if status is None or not status.total:
        return empty("Canceled.")
    return empty(f"Canceled at step {status.done} of {status.total}.")


def drawing(run: StoredRun) -> str:
    """A result that is no picture file: an SVG drawing or a turntable; empty for others."""
    for path in run.results:
        if path.suffix == ".svg":
            source = _data(path.read_bytes(), "image/svg+xml")
            return f'<div class="ds-stage ds-svg"><img alt="The drawing" src="{source}"></div>'
        if path.name == "turntable.gif":
            return turntable(path)
    return ""


def turntable(path: Path) -> str:
    """A scene that turns by itself, and by a slider."""
    from PIL import Image, ImageSequence

    with Image.open(path) as gif:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(gif)]
    for frame in frames:
        frame.thumbnail((TURN_SIDE, TURN_SIDE))
    width, height = frames[0].size
    strip, file = Image.new("RGB", (width * len(frames), height)), BytesIO()
    for i, frame in enumerate(frames):
        strip.paste(frame, (width * i, 0))
    strip.save(file, "WEBP", quality=85)
    source, last = _data(file.getvalue(), "image/webp"), len(frames) - 1
    return (
        f'<div class="ds-stage ds-turn"><div class="ds-reel" role="img" aria-label="Turntable" '
        f'style="aspect-ratio:{width}/{height};--count:{len(frames)};'
        f"background-image:url('{source}');animation-timing-function:steps({max(last, 1)})\">"
        f'</div><label>Turn <input type="range" min="0" max="{last}" value="0" '
        "oninput=\"const r=this.closest('.ds-turn').querySelector('.ds-reel');"
        "r.style.animation='none';"
        f"r.style.backgroundPositionX=(100*this.value/{max(last, 1)})+'%'\"></label></div>"
    )


def figures(run: StoredRun) -> str:
    """The numbers of a run, and its warnings."""
    recipe, report = run.recipe, dict(run.recipe.get("report", {}))
    warnings = [*recipe.get("notes", []), *filter(None, [report.pop("warning", None)])]
    note = report.pop("note", None)
    seconds = sum(v for v in recipe.get("seconds", {}).values() if isinstance(v, int | float))
    rows = {
        "seed": ", ".join(map(str, recipe.get("seeds", []))),
        "network evaluations": recipe.get("evaluations", ""),
        "time": f"{seconds:.1f} s",
    }
    for name, value in report.items():
        label = "layers (paths)" if name == "paths" else name.replace("_", " ")
        rows[label] = f"{value:.4g}" if isinstance(value, float) else value
    cells = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(str(value))}</dd></div>"
        for label, value in rows.items()
    )
    notes = "".join(f'<p class="ds-warn" role="status">{escape(w)}</p>' for w in warnings)
    notes += f'<p class="ds-note">{escape(note)}</p>' if note else ""
    return f'<dl class="ds-facts">{cells}</dl>{notes}'


def _data(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
