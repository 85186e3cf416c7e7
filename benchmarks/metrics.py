"""Metrics of pictures; those that need a network of the user's own take its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.edges import STRONG
from benchmarks.judge import Judge
from dreamsampler.files import InputError
from dreamsampler.images.picture import open_picture

VERSIONS = {
    "top-1": 1,
    "top-5": 1,
    "likeness": 1,
    "background dB": 1,
    "background SSIM": 1,
    "structure": 1,
}
"""Of the definitions below; a change makes old records count no more."""
CEILING = 60.0
"""dB: a background that did not move at all is called this good."""

Extra = Callable[[Tensor, Tensor, Tensor, str], float]
"""(result, source, background, target prompt) -> number, pictures (3, h, w) in [0, 1]."""


def read(path: Path) -> Tensor:
    """The colors of a picture, (3, h, w) in [0, 1]."""
    return open_picture(path).rgb


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB; the mean of several pictures (..., 3, h, w) in [0, 1]."""
    error = (a - b).square().mean((-3, -2, -1)).clamp_min(1e-10)
    return -10 * float(error.log10().mean())


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity of pictures (..., 3, h, w) in [0, 1], mean over colors and windows.

        (2 m_a m_b + c1) (2 s_ab + c2) / ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2))

    with Gaussian windows of 11 x 11, deviation 1.5, that lie inside; c1 = 0.01^2, c2 = 0.03^2.

    Source: Wang et al., "Image quality assessment", IEEE Trans. Image Processing 13 (2004), eq. 13.
    """
    taps = torch.exp(-0.5 * (torch.arange(-5, 6) / 1.5) ** 2)
    window = (taps[:, None] * taps / taps.sum() ** 2)[None, None]

    def mean(x: Tensor) -> Tensor:
        return functional.conv2d(x.reshape(-1, 1, *x.shape[-2:]), window)

    m_a, m_b = mean(a), mean(b)
    v_a, v_b = mean(a * a) - m_a**2, mean(b * b) - m_b**2
    both = mean(a * b) - m_a * m_b
    top = (2 * m_a * m_b + 1e-4) * (2 * both + 9e-4)
    return float((top / ((m_a**2 + m_b**2 + 1e-4) * (v_a + v_b + 9e-4))).mean())


def background(x: Tensor) -> Tensor:
    """Where a picture (3, h, w) shows the color of its border, eroded by two: (1, h, w) of 0, 1."""
    color = torch.cat([x[:, :6].flatten(1), x[:, -6:].flatten(1)], 1).median(1).values
    near = ((x - color[:, None, None]).abs().amax(0, keepdim=True) < 0.04).float()
    return -functional.max_pool2d(-near[None], 5, 1, 2)[0]


def seam(picture: Tensor, hole: Tensor) -> float:
    """By how much the step of the colors across the edge of a hole exceeds the steps beside it.

    The mean of: step across the edge, less half the sum of the steps on both sides of it; 0 if
    there is no seam.
    """
    measured: list[Tensor] = []
    for axis in (0, 1):
        crossing = hole[0].diff(dim=axis) != 0
        steps = picture.diff(dim=axis + 1).abs().mean(0)
        count = steps.shape[axis]
        middle, before, after = (steps.narrow(axis, i, count - 2) for i in (1, 0, 2))
        measured.append((middle - (before + after) / 2)[crossing.narrow(axis, 1, count - 2)])
    return torch.cat(measured).mean().item()


def tone(picture: Tensor, hole: Tensor) -> float:
    """By how much colors differ more across the edge of a hole than elsewhere outside of it.

        mean of |b - a| over pairs across the edge, less the mean over pairs outside; both of
        those pairs alone that differ by up to 32/255: larger steps are where a thing ends

    a and b are means of n pixels that lie beside each other in a row or column, n a 32nd of the
    side; |.| is the largest of the three colors. Unlike `seam` it sees a hole whose edge was
    smoothed. 0 if no pair differs by so little.
    """
    n = max(1, round((picture.shape[1] * picture.shape[2]) ** 0.5 / 32))
    across, outside = [torch.zeros(0)], [torch.zeros(0)]
    for size in ((n, 1), (1, n)):
        axis = size.index(n) + 1
        (a, b), (before, after) = (
            (mean.narrow(axis, 0, mean.shape[axis] - n), mean.narrow(axis, n, mean.shape[axis] - n))
            for mean in (functional.avg_pool2d(x[None], size, 1)[0] for x in (picture, hole))
        )
        step = (b - a).abs().amax(0)
        small, both, differ = step <= STRONG, before + after, (before - after).abs()
        across.append(step[small & (differ[0] == 1)])
        outside.append(step[small & (both[0] == 0)])
    means = [torch.cat(steps).mean().nan_to_num().item() for steps in (across, outside)]
    return means[0] - means[1] if len(torch.cat(across)) else 0.0


def preservation(x: Tensor, source: Tensor, ground: Tensor) -> dict[str, float]:
    """PSNR over the background, and SSIM of both pictures with everything else black.

    Args:
        x: the result, (3, h, w) in [0, 1].
        source: what it was made from.
        ground: (1, h, w), 1 where nothing should change.
    """
    error = ((x - source).square() * ground).sum() / (3 * ground.sum()).clamp_min(1)
    decibel = min(CEILING, -10 * float(error.clamp_min(1e-12).log10()))
    return {"background dB": decibel, "background SSIM": ssim(x * ground, source * ground)}


def judged(judge: Judge, x: Tensor, source: Tensor, target: str) -> dict[str, float]:
    """`named`, the probability of the target, and the structure distance to the source.

    Args:
        judge: of likeness.
        x: the result, (3, h, w) in [0, 1].
        source: what it was made from.
        target: one of the judge's concepts.
    """
    logits, index = judge.rank(x[None])[0], judge.concepts.index(target)
    return {
        **named(judge, x, target),
        "likeness": float(logits.softmax(0)[index]),
        "structure": float(judge.distance(x[None], source[None])[0]),
    }


def named(judge: Judge, x: Tensor, target: str) -> dict[str, float]:
    """Whether the judge names the target first or among the first five; `drawing_distance`."""
    logits = judge.rank(x[None])[0]
    place = int((logits > logits[judge.concepts.index(target)]).sum())
    distance = float(judge.drawing_distance(x[None], target)[0])
    return {"top-1": float(place == 0), "top-5": float(place < 5), "drawing distance": distance}


def clip_score(folder: Path) -> Extra:
    """100 max(0, cos) of picture and target prompt, by the CLIP model in a folder.

    Source: Hessel et al., "CLIPScore", EMNLP 2021 (arXiv:2104.08718), eq. 1 with w = 100.
    """
    model, processor = _load("CLIP", folder, "CLIPModel", "CLIPTokenizerFast")
    size = model.config.vision_config.image_size

    @torch.no_grad()
    def score(x: Tensor, source: Tensor, ground: Tensor, prompt: str) -> float:
        tokens = processor([prompt], return_tensors="pt", truncation=True, padding=True)
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
        deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
        pixels = (_resized(x, size) - mean) / deviation
        measured = model(pixel_values=pixels[None], **tokens)
        cosine = functional.cosine_similarity(measured.image_embeds, measured.text_embeds)
        return 100 * max(0.0, float(cosine))

    return score


def dino_structure(folder: Path) -> Extra:
    """Mean squared difference of the self-similarities of a DINO's last keys, times 1000.

    Source: Tumanyan et al., "Splicing ViT features", CVPR 2022 (arXiv:2201.00424), eq. 3 to 5.
    """
    model, _ = _load("DINO", folder, "ViTModel", None)
    output: dict[str, Tensor] = {}
    keys = [each for name, each in model.named_modules() if name.endswith((".key", ".k_proj"))]
    if not keys:
        raise InputError(f"{folder} has no layers of keys: pass the folder of a DINO ViT")
    keys[-1].register_forward_hook(lambda _module, _inputs, out: output.update(key=out))

    @torch.no_grad()
    def similarity(x: Tensor) -> Tensor:
        mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        model(pixel_values=((_resized(x, 224) - mean) / deviation)[None])
        keys = functional.normalize(output["key"][0, 1:], dim=1)
        return keys @ keys.T

    def distance(x: Tensor, source: Tensor, ground: Tensor, prompt: str) -> float:
        return 1000 * float((similarity(x) - similarity(source)).square().mean())

    return distance


def lpips_background() -> Extra:
    """LPIPS of the two backgrounds, times 1000, where the package lpips is installed.

    Source: Zhang et al., "The unreasonable effectiveness of deep features", CVPR 2018.
    """
    try:
        import lpips  # type: ignore[import-not-found]
    except ImportError:
        raise InputError(
            "LPIPS needs the package lpips (and its torchvision), which is not installed: leave "
            "--lpips out, or install it into an environment of your own"
        ) from None
    network = lpips.LPIPS(net="squeeze", verbose=False).eval()

    @torch.no_grad()
    def distance(x: Tensor, source: Tensor, ground: Tensor, prompt: str) -> float:
        pair = [(each * ground * 2 - 1)[None] for each in (x, source)]
        return 1000 * float(network(*pair))

    return distance


def _resized(x: Tensor, side: int) -> Tensor:
    """The middle square of a picture, (3, side, side)."""
    scale = side / min(x.shape[1:])
    size = [max(side, round(n * scale)) for n in x.shape[1:]]
    small = functional.interpolate(x[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    return small[:, top : top + side, left : left + side]


def _load(what: str, folder: Path, model: str, processor: str | None) -> tuple[Any, Any]:
    """A model that the user has, from its folder and from nowhere else; safetensors only."""
    import transformers

    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no config.json: pass the folder of a {what} model")
    try:
        own: dict[str, Any] = {"local_files_only": True}
        alone = {"add_pooling_layer": False} if model == "ViTModel" else {}
        network = getattr(transformers, model).from_pretrained(
            folder, use_safetensors=True, **alone, **own
        )
        text = getattr(transformers, processor).from_pretrained(folder, **own) if processor else 0
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0]
        raise InputError(f"{folder} is no {what} model that can be read: {line}") from error
    return network.eval().requires_grad_(False), text
