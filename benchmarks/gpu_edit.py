"""The published editing program's loop at SD1.5's size, against the presets and image-to-image."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.clock import SCALE, Device
from dreamsampler import Edit, finish, from_pipe
from dreamsampler.methods import dreamsampler, paper_levels


def published(prior: Any, z_src: Tensor, steps: int, *, pairs: bool) -> Tensor:
    """The published editing program's loop, plainly: 4 evaluations a step of NFE.

    Up with the null prompt's noise and down with gamma alpha_bar, both prompts asked every time.

    Args:
        prior: whose UNet is asked directly.
        z_src: clean latents.
        steps: NFE.
        pairs: both prompts in one forward, else in two.
    """
    up, down, _ = paper_levels(prior.schedule, steps)
    null, words = prior.condition(None), prior.condition("a dog")
    texts = [each.embeddings.expand(len(z_src), -1, -1) for each in (null, words)]

    def ask(z: Tensor, level: Any) -> tuple[Tensor, Tensor]:
        shown, n = z.to(prior.dtype), round(prior.schedule.timestep(level.t))
        if pairs:
            both = prior.network(
                torch.cat([shown, shown]), n, encoder_hidden_states=torch.cat(texts)
            ).sample
            one, two = both.float().chunk(2)
            return one, two
        one, two = (
            prior.network(shown, n, encoder_hidden_states=text).sample.float() for text in texts
        )
        return one, two

    z0, noise, z = z_src, torch.zeros_like(z_src), z_src
    for level, following in zip(up, [*up[1:], down[0]], strict=True):
        noise, _ = ask(z, level)
        z0 = (z - level.sigma * noise) / level.alpha
        z = following.alpha * z0 + following.sigma * noise
    for level, following in zip(down, [*down[1:], None], strict=True):
        noise, guided = ask(z, level)
        mixed = noise + 0.2 * level.alpha_bar * (guided - noise)
        z0 = (z - level.sigma * mixed) / level.alpha
        if following is not None:
            z = following.alpha * z0 + following.sigma * noise
    return z0


class Editing:
    """Editing one picture at SD1.5's size: published loop, presets, and diffusers' own.

    Args:
        pipe: a pipeline of Stable Diffusion 1.5.
        folder: where the picture lies.
        size: its side.
        steps: NFE of the published program.
    """

    def __init__(self, pipe: Any, folder: Path, size: int, steps: int) -> None:
        self.steps, self.prior = steps, from_pipe(pipe)
        self.path = folder / "noise.png"
        pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
        Image.fromarray(pixels).save(self.path)
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        self.x, self.size = x.to(self.prior.device), size
        from diffusers import StableDiffusionImg2ImgPipeline

        parts = {**pipe.components, "requires_safety_checker": False}
        self.other: Any = StableDiffusionImg2ImgPipeline(**parts)
        self.other.set_progress_bar_config(disable=True)

    @torch.no_grad()
    def plain(self, *, pairs: bool, share: int = 1) -> None:
        """The published program: encode, loop, decode; a share of the steps."""
        z0 = published(self.prior, self.prior.encode(self.x), self.steps // share, pairs=pairs)
        self.prior.decode(z0)

    def run(self, preset: str, steps: int | None = None) -> int:
        """One of ours, from file to pixels; its evaluations."""
        source = "a cat" if preset == "default" else None
        options: Any = {"preset": preset, "num_inference_steps": steps, "size": self.size}
        run = Edit(self.path, "a dog", source, **options).start(self.prior).run()
        run.pictures()
        return run.evaluations

    def image_to_image(self) -> None:
        """Diffusers' nearest job: 16 guided steps from strength 0.75."""
        with Image.open(self.path) as picture:
            self.other(
                "a dog",
                picture,
                0.75,
                num_inference_steps=22,
                guidance_scale=SCALE,
                output_type="pt",
            )


def editing(pipe: Any, device: Device, size: int, steps: int) -> dict[str, Any]:
    """The presets against the published program's loop of so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        each = Editing(pipe, Path(folder), size, steps)
        each.plain(pairs=True, share=steps // 2)
        each.run("paper", 2)
        each.run("default")
        each.image_to_image()
        return {**_times(each, device, steps), **_memory(each, device)}


def _times(each: Editing, device: Device, steps: int) -> dict[str, Any]:
    four = max(1, min(4, steps // 2))
    pairs = device.seconds(lambda: each.plain(pairs=True))
    paper = device.seconds(lambda: each.run("paper", steps))
    default = statistics.median(device.seconds(lambda: each.run("default")) for _ in range(3))
    singles = four * device.seconds(lambda: each.plain(pairs=False, share=four))
    return {
        "steps": steps,
        "published_s": pairs,
        "published_prompts_apart_s": singles,
        "published_prompts_apart_is": f"{steps // four} steps, times {four}",
        "paper_s": paper,
        "default_s": default,
        "img2img_s": statistics.median(device.seconds(each.image_to_image) for _ in range(3)),
        "paper_share": paper / pairs,
        "paper_share_prompts_apart": paper / singles,
        "default_share": default / pairs,
    }


def _memory(each: Editing, device: Device) -> dict[str, Any]:
    return {
        "published_evaluations": 4 * each.steps,
        "default_evaluations": each.run("default"),
        "default_gib": device.peak(lambda: each.run("default")),
        "paper_gib": device.peak(lambda: each.run("paper", 2)),
        "img2img_gib": device.peak(each.image_to_image),
    }


@torch.no_grad()
def editing_batch(pipe: Any, device: Device, size: int, steps: int) -> dict[str, Any]:
    """The published loop against ours, 8 pictures at once, so that the device is full."""
    prior = from_pipe(pipe)
    cells = size // prior.factor
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(8, prior.latent_channels, cells, cells, generator=rng).to(prior.device)
    words, null = prior.condition("a dog"), prior.condition(None)

    def ours(count: int = steps) -> None:
        finish(dreamsampler(prior, z, words, null, count))

    published(prior, z, 2, pairs=True)
    ours(2)
    theirs_s = device.seconds(lambda: published(prior, z, steps, pairs=True))
    ours_s = device.seconds(ours)
    return {
        "steps": steps,
        "published_s": theirs_s,
        "paper_s": ours_s,
        "paper_share": ours_s / theirs_s,
    }
