"""What is found on a finished run: two pictures for the page, figures, and sentences on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsampler.interfaces.studio.run_store import BEFORE, THUMB
from dreamsampler.interfaces.studio.uploads import SHOWN
from dreamsampler.tasks.base import Run

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 256
"""Longest side of a thumbnail, in pixels."""
SEEN = 4 / 255
"""Difference of a color, as a share of white, that an eye may see."""
SURE = 0.02
"""Deviation over several restorations, as a share of white, below which they agree."""
SEAM = 0.015
"""Mean step across the edge of a hole, less that next to it, as a share of white, from which the
edge may be seen: four levels of 255."""


def draw(run: Run[Any], folder: Path) -> None:
    """Write two pictures for the page: the input at the size of the result, and a thumbnail."""
    from PIL import Image

    from dreamsampler.images.save import as_pil

    picture, like, _ = run.files()[0]
    after = as_pil(replace(like, rgb=picture).flat(run.source.ground))
    before = as_pil(run.canvas.flat())
    before = before.resize(after.size, Image.Resampling.BICUBIC)
    before.thumbnail((SHOWN, SHOWN))
    before.save(folder / BEFORE, "WEBP", quality=90)
    after.thumbnail((SMALL, SMALL))
    after.save(folder / THUMB, "WEBP", quality=85)


def measured(run: Run[Any], folder: Path, results: Sequence[str]) -> dict[str, Any]:
    """Figures of a finished run that its report does not have, as shares of the pixels.

    Keys sizes (width and height of each picture, by name), changed (where the first result differs
    visibly from the picture that came in), of several restorations sure (where they agree), and of
    an inpainting seam (the mean step across the edge, less that next to it).
    """
    found: dict[str, Any] = {"sizes": {n: s for n in results if (s := _size(run, folder / n))}}
    picture, before = run.pictures()[0], run.canvas.flat()
    if run.task.OUTPUT == "picture" and picture.shape == before.shape:
        differs = (picture - before.to(picture)).abs().amax(0) > SEEN
        found["changed"] = round(float(differs.float().mean()), 4)
    if run.task.name() == "restore" and len(run.seeds) > 1:
        spread = run.spread()  # type: ignore[attr-defined]
        found["sure"] = round(float((spread < SURE).float().mean()), 4)
    if run.task.name() == "inpaint":
        found["seam"] = round(_seam(picture, run.mask), 4)  # type: ignore[attr-defined]
    return found


def _size(run: Run[Any], path: Path) -> list[int] | None:
    """Width and height of a result that is a picture or a drawing."""
    from PIL import Image

    if path.suffix == ".svg":
        return list(run.canvas.size[::-1])
    if path.suffix not in (".png", ".gif"):
        return None
    with Image.open(path) as image:
        return list(image.size)


def _seam(picture: Tensor, mask: Tensor) -> float:
    """How much more the colors jump across the edge of a hole than one pixel outside of it."""
    from torch.nn.functional import max_pool2d

    from dreamsampler.images.seam import jump

    wider = max_pool2d((mask > 0).float(), 3, stride=1, padding=1)
    return jump(picture, mask) - jump(picture, wider)


def candidates(run: Run[Any], folder: Path, recipe: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Write the candidates of an edit that were not kept, and what each is called, by file name."""
    from dreamsampler.images.save import save_picture

    found = {}
    for i, (tried, picture) in enumerate(getattr(run, "not_kept", list)()):
        path = folder / f"candidate-{i}.png"
        options = {"strength": tried.strength, "seed": tried.seed, "candidates": None}
        own = {**recipe, "options": {**recipe["options"], **options}, "report": {}}
        own |= {"settings": {**recipe["settings"], "strength": tried.strength}}
        save_picture(path, picture, run.canvas, {**own, "seeds": [tried.seed], "index": 0})
        found[path.name] = {"label": tried.name, "seed": tried.seed}
    return found


def sentences(recipe: Mapping[str, Any]) -> list[str]:
    """What a run has found, for people who read no figures.

    Example:
        >>> sentences({"task": "inpaint", "report": {"painted": 0.34, "edge": 0.02}})
        ['Painted 34 % of the picture.']
    """
    report, more = recipe.get("report", {}), recipe.get("studio", {})
    found: list[str] = []
    if "painted" in report:
        edge = "" if more.get("seam", 0.0) < SEAM else "; its edge may be seen"
        found.append(f"Painted {_percent(report['painted'])} of the picture{edge}.")
    elif recipe.get("task") == "edit" and "changed" in more:
        found.append(f"Changed {_percent(more['changed'])} of the picture.")
    if "kept" in report:
        found.append(f"Kept the least change that shows the prompt: {report['kept']}.")
    if "residual_expected" in report:
        found.append(_explained(report["residual"], report["residual_expected"]))
    if "operator" in report:
        found.append(f"Found out what happened: {report['operator']}.")
    if "sure" in more:
        found.append(f"Sure of {_percent(more['sure'])} of the picture.")
    if "paths" in report:
        crossing = "none of them crosses itself"
        if report.get("crossing"):
            crossing = f"{_percent(report['crossing'])} of them cross themselves"
        found.append(f"Drawn with {report['paths']} paths; {crossing}.")
    if "held_out_psnr" in report:
        found.append(f"Views that were kept back are met to {report['held_out_psnr']:g} dB.")
    return found


def _explained(residual: float, expected: float) -> str:
    from dreamsampler.tasks.data_consistency import OVERSTATED, UNEXPLAINED

    if residual > UNEXPLAINED * expected:
        return "Does not explain the input: something else happened to it, or there is more noise."
    if residual < OVERSTATED * expected:
        return "Explains the input, and part of its noise as well: it has less noise than assumed."
    return "Explains the input within its noise."


def _percent(share: float) -> str:
    """A share as text.

    Example:
        >>> _percent(0.341), _percent(0.0012), _percent(0.9999)
        ('34 %', 'less than 1 %', 'all but 1 %')
    """
    if 0 < share < 0.01:
        return "less than 1 %"
    return "all but 1 %" if 0.99 < share < 1 else f"{round(100 * share)} %"
