"""What the page shows of a run, as HTML: its steps, its result, its figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsampler.interfaces.cli.command import told

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.shelf import Kept
    from dreamsampler.interfaces.studio.worker import Progress

TURN_SIDE = 320
"""Longest side of a turntable's frames, in pixels."""


def idle(words: str) -> str:
    """Where a result will be."""
    return f'<div class="ds-stage ds-empty"><p>{escape(words)}</p></div>'


def running(progress: Progress) -> str:
    """How far a run is, with what the model believes by now."""
    share = progress.done / progress.total if progress.total else None
    count = progress.stage.capitalize()
    if share and progress.stage in ("step", "fit"):
        count = f"{count} {progress.done} of {progress.total}"
    bar = (
        f'<div class="ds-bar" role="progressbar" aria-label="Steps" aria-valuemin="0" '
        f'aria-valuemax="{progress.total}" aria-valuenow="{progress.done}">'
        f'<span style="width:{100 * share:.0f}%"></span></div>'
        if share
        else '<div class="ds-bar ds-wait" role="progressbar" aria-label="Steps"><span></span></div>'
    )
    picture = '<div class="ds-hush"></div>'
    if progress.preview is not None:
        source = _data(progress.preview, "image/jpeg")
        picture = f'<img alt="What the model believes by now" src="{source}">'
    return (
        f'<div class="ds-stage ds-running">{picture}{bar}'
        f'<p class="ds-count"><span>{escape(count)}</span><span>{progress.seconds:.0f} s</span></p>'
        "</div>"
    )


def trouble(words: str) -> str:
    """Something that the visitor can put right."""
    return f'<div class="ds-stage ds-trouble" role="alert"><p>{escape(words)}</p></div>'


def stopped(progress: Progress | None) -> str:
    """A run that was canceled."""
    if progress is None or not progress.total:
        return idle("Canceled.")
    return idle(f"Canceled at step {progress.done} of {progress.total}.")


def finished(kept: Kept) -> str:
    """A result that is no flat picture: an SVG drawing or a turntable; nothing for others."""
    for path in kept.results:
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
    wide, high = frames[0].size
    strip, file = Image.new("RGB", (wide * len(frames), high)), BytesIO()
    for i, frame in enumerate(frames):
        strip.paste(frame, (wide * i, 0))
    strip.save(file, "WEBP", quality=85)
    source, count = _data(file.getvalue(), "image/webp"), len(frames)
    return (
        f'<div class="ds-stage ds-turn"><div class="ds-reel" role="img" aria-label="Turntable" '
        f'style="aspect-ratio:{wide}/{high};--count:{count};'
        f"background-image:url('{source}');animation-timing-function:steps({max(count - 1, 1)})\">"
        f'</div><label>Turn <input type="range" min="0" max="{count - 1}" value="0" '
        "oninput=\"const r=this.closest('.ds-turn').querySelector('.ds-reel');"
        "r.style.animation='none';"
        f"r.style.backgroundPositionX=(100*this.value/{max(count - 1, 1)})+'%'\"></label></div>"
    )


def facts(kept: Kept) -> str:
    """The figures of a run, and what it warns of."""
    recipe = kept.recipe
    report = dict(recipe.get("report", {}))
    warned = [*recipe.get("notes", []), *filter(None, [report.pop("warning", None)])]
    hint = report.pop("note", None)
    seconds = sum(v for k, v in recipe.get("seconds", {}).items() if isinstance(v, int | float))
    seeds = ", ".join(map(str, recipe.get("seeds", [])))
    rows = [("seed", seeds), ("network evaluations", recipe.get("evaluations", ""))]
    rows += [("time", f"{seconds:.1f} s")]
    rows += [_pair(name, value) for name, value in report.items()]
    rows = [("layers (paths)" if name == "paths" else name, value) for name, value in rows]
    cells = "".join(
        f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in rows
    )
    said = "".join(f'<p class="ds-warn" role="status">{escape(each)}</p>' for each in warned)
    said += f'<p class="ds-note">{escape(hint)}</p>' if hint else ""
    return f'<dl class="ds-facts">{cells}</dl>{said}'


def captions(kept: Kept) -> list[tuple[Path, str]]:
    """The flat pictures of a result with what each is; nothing for a single one."""
    # depths are numbers to reckon with, and black to the eye
    pictures = [p for p in kept.results if p.suffix == ".png" and not p.name.startswith("depth")]
    if len(pictures) < 2:
        return []
    return [(path, path.stem.removeprefix("result-").replace("_", " ")) for path in pictures]


def names(kept: Kept, paths: Sequence[Path]) -> list[str]:
    """What files are called when they are downloaded: after what was asked for."""
    words = "".join(c if c.isalnum() else "-" for c in kept.title.lower()).strip("-")[:40]
    stem = f"{kept.recipe['task']}-{words}".strip("-")
    return [path.name.replace("result", stem, 1) for path in paths]


def _pair(name: str, value: Any) -> tuple[str, str]:
    words = name.replace("_", " ")
    return words, told({name: value})[0].removeprefix(words).strip()


def _data(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
