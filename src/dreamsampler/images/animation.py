"""Moving pictures: GIF with Pillow, MP4 with PyAV where it is installed."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from dreamsampler.images.save import encoded

if TYPE_CHECKING:
    from torch import Tensor

FRAME_MILLISECONDS: Final = 80
QUALITY: Final = 18
"""H.264's constant rate factor: 18 is taken for visually lossless, 51 is the worst."""


def check_mp4() -> None:
    """Refuse to write MP4 where nothing here can; ValueError."""
    if find_spec("av") is None:
        raise ValueError('an MP4 needs PyAV: pip install "dreamsampler[video]", or leave mp4 out')


def gif(frames: list[Tensor]) -> bytes:
    """Pictures (3, h, w) in [0, 1] as a GIF that repeats for ever, one palette for all of them."""
    pictures = [Image.fromarray(each) for each in _samples(frames)]
    wide, high = pictures[0].size
    strip = Image.new("RGB", (wide, high * len(pictures)))
    for i, picture in enumerate(pictures):
        strip.paste(picture, (0, i * high))
    palette = strip.quantize(256)
    flat = [_grounded(p, palette, pictures[0].getpixel((0, 0))) for p in pictures]
    return gif_of(flat, FRAME_MILLISECONDS)


def gif_of(frames: list[Image.Image], milliseconds: int | list[int]) -> bytes:
    """Pillow's images as a GIF that repeats for ever; how long all of them stay, or each."""
    options = {"save_all": True, "append_images": frames[1:], "loop": 0}
    return encoded(frames[0], "GIF", {**options, "duration": milliseconds})


def _grounded(picture: Image.Image, palette: Image.Image, ground: Any) -> Image.Image:
    """A picture in a palette; the ground keeps its very color, which Pillow would round."""
    flat = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    colors, places = np.array(palette.getpalette()).reshape(-1, 3), np.array(flat)
    nearest = int(np.abs(colors - np.array(ground)).sum(1).argmin())
    colors[nearest] = ground
    places[(np.array(picture) == np.array(ground)).all(-1)] = nearest
    made = Image.fromarray(places)
    made.putpalette(colors.reshape(-1).tolist())
    return made


def mp4(frames: list[Tensor]) -> bytes:
    """Pictures (3, h, w) in [0, 1] as H.264 in MP4, as every browser plays it.

    An odd side is continued by a pixel, since the colors are stored at half the size.

    Raises:
        ValueError: PyAV is not installed.
    """
    check_mp4()
    import av

    samples = [np.pad(x, _evened(x.shape), mode="edge") for x in _samples(frames)]
    file = BytesIO()
    with av.open(file, "w", format="mp4") as movie:
        stream = movie.add_stream("libx264", rate=Fraction(1000, FRAME_MILLISECONDS))
        stream.height, stream.width = samples[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(QUALITY)}
        for each in samples:
            for packet in stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")):
                movie.mux(packet)
        for packet in stream.encode():
            movie.mux(packet)
    return file.getvalue()


def _samples(frames: list[Tensor]) -> list[np.ndarray]:
    """(h, w, 3), bytes."""
    return [(f.permute(1, 2, 0) * 255).round().byte().cpu().numpy() for f in frames]


def _evened(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(0, shape[0] % 2), (0, shape[1] % 2), (0, 0)]
