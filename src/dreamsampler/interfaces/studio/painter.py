"""Masks that are painted in the browser: a few colors, each with a prompt of its own.

The page's part is `painter.html` and `painter.js`; here is what goes there and what comes back.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.images.header import check_picture

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions

COLORS = ((255, 59, 107), (47, 123, 255), (245, 179, 1), (23, 178, 106))
"""As in painter.js."""
NAMES = ("pink", "blue", "yellow", "green")
MOST_PIXELS = 16_000_000
"""The page scales masks of larger pictures down to that."""
_PNG = "data:image/png;base64,"
_HERE = Path(__file__).parent


def painter(label: str) -> Any:
    """The component; its value is JSON."""
    return gr.HTML(
        label=label,
        html_template=(_HERE / "painter.html").read_text(encoding="utf-8"),
        js_on_load=(_HERE / "painter.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_classes="ds-painter",
    )


def read_painting(value: Any, sessions: Sessions) -> dict[str, Any]:
    """Picture, prompts and one mask for each color that was used, as the options of `Inpaint`."""
    try:
        painting = json.loads(value or "{}")
        path, mask = (painting.get("picture") or {}).get("path"), painting.get("mask")
        prompts = [str(words).strip() for words in painting.get("prompts") or []][: len(COLORS)]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError("the painting cannot be read: reload the page") from error
    if not path:
        raise InputError("there is no picture yet: choose one to paint on")
    picture = sessions.uploaded(path)
    sessions.submissions.limits.check_picture(picture)
    masks = _masks(mask, check_picture(picture)) if mask else {}
    named = [words for words in prompts if words]
    if len(named) > 1:
        for i in masks:
            if i >= len(prompts) or not prompts[i]:
                raise InputError(f"the {NAMES[i]} mask has no prompt: write one, or erase it")
        unused = [words for i, words in enumerate(prompts) if words and i not in masks]
        named = [*(prompts[i] for i in masks), *unused]
    folder = sessions.cache / f"masks-{secrets.token_hex(16)}"
    folder.mkdir(parents=True, mode=0o700)
    paths = []
    for i, each in masks.items():
        paths.append(folder / f"{NAMES[i]}.png")
        each.save(paths[-1])
    return {"image": picture, "prompt": named, "mask_image": paths}


def show_painting(picture: str | None, masks: Sequence[Path], prompts: Sequence[str]) -> str:
    """The component's value for a picture that was handed out, masks, and a prompt for each."""
    value: dict[str, Any] = {"picture": None, "mask": None, "prompts": list(prompts) or [""]}
    if picture is not None:
        value["picture"] = {"path": picture, "url": f"gradio_api/file={picture}"}
    if masks:
        value["mask"] = _PNG + base64.b64encode(_painted(masks)).decode()
    return json.dumps(value)


def _masks(data_url: str, size_hw: tuple[int, int]) -> dict[int, Image.Image]:
    """Color -> its mask at the size of the picture; nearest color, alpha above a half."""
    try:
        data = base64.b64decode(data_url.removeprefix(_PNG), validate=True)
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > 1.1 * MOST_PIXELS:
                raise InputError("the mask is larger than any picture: paint it again")
            painted = image.convert("RGBA").resize(
                (size_hw[1], size_hw[0]), Image.Resampling.NEAREST
            )
    except InputError:
        raise
    except Exception as error:  # decoders of damaged files raise all kinds
        raise InputError("the mask cannot be read: paint it again") from error
    samples = np.asarray(painted).astype(np.int32)
    distances = [np.square(samples[..., :3] - np.array(color)).sum(-1) for color in COLORS]
    nearest, opaque = np.stack(distances).argmin(0), samples[..., 3] > 127
    masks = {i: opaque & (nearest == i) for i in range(len(COLORS))}
    return {i: Image.fromarray(m.astype(np.uint8) * 255) for i, m in masks.items() if m.any()}


def _painted(masks: Sequence[Path]) -> bytes:
    """Masks as one PNG in the page's colors."""
    canvas: Image.Image | None = None
    for path, color in zip(masks, COLORS, strict=False):
        with Image.open(path) as image:
            mask = image.convert("L")
        canvas = canvas or Image.new("RGBA", mask.size, (0, 0, 0, 0))
        canvas.paste((*color, 255), mask=mask.resize(canvas.size))
    file = BytesIO()
    assert canvas is not None
    canvas.save(file, "PNG")
    return file.getvalue()
