"""What the loop costs beyond its network calls, at SD1.5's and SDXL's shapes, random weights.

The same forwards are made twice: by the house's loop, and bare, one after the other on inputs that
are ready. Seconds are of the process, not of the clock, so that other work on the machine does not
count. SDXL is taken at a fraction of its width, since in full it needs 10 GB.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

from benchmarks.memory import SCHEDULER, filled
from dreamsampler import finish
from dreamsampler.maths import VariancePreserving
from dreamsampler.methods import ddim
from dreamsampler.models.codec import Codec
from dreamsampler.models.family import TextCondition
from dreamsampler.models.network import NetworkPrior
from dreamsampler.samplers import trailing


def unet(shape: str, width: int) -> Any:
    """A UNet of a published architecture, its widths divided."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        if shape == "sd15":
            widths = tuple(n // width for n in (320, 640, 1280, 1280))
            made = UNet2DConditionModel(
                sample_size=64,
                cross_attention_dim=768,
                attention_head_dim=8,
                block_out_channels=widths,
                norm_num_groups=8,
            )
        else:
            widths = tuple(n // width for n in (320, 640, 1280))
            layers: Any = {
                "transformer_layers_per_block": (1, 2, 10),
                "attention_head_dim": (5, 10, 20),
            }  # as published; its signature knows tuples of one
            made = UNet2DConditionModel(
                sample_size=128,
                block_out_channels=widths,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                **layers,
                cross_attention_dim=2048,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=256,
                projection_class_embeddings_input_dim=2816,
                norm_num_groups=8,
            )
    return filled(made, torch.float32)


def prior_of(shape: str, width: int) -> NetworkPrior:
    """A prior around it; nothing is encoded or decoded, and prompts are random numbers."""
    from diffusers import AutoencoderTiny, DDIMScheduler

    from dreamsampler.models.families import StableDiffusion, StableDiffusionXL

    kind = StableDiffusion if shape == "sd15" else StableDiffusionXL
    family: Any = object.__new__(kind)
    family.network, family.encoders = unet(shape, width), {"none": None}
    table = DDIMScheduler(**SCHEDULER).alphas_cumprod.tolist()
    family.schedule, family.target = VariancePreserving(tuple(table)), "epsilon"
    family.latent_channels, family.cells, family.native_cells = 4, 8, 64
    family.guidance, family.default_scale, family.framing, family._factor = "cfg", 5.0, None, 8
    family._last_sizes = None
    for parameter in family.network.parameters():
        parameter.requires_grad_(False)
    return NetworkPrior(family, Codec(AutoencoderTiny()), name=shape, owned=True)


def seconds(run: Any) -> float:
    """Of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


def measured(shape: str, options: argparse.Namespace) -> str:
    """One row of the table."""
    prior = prior_of(shape, options.width)
    told = prompts(shape)
    rng = torch.Generator().manual_seed(0)
    eps = torch.randn(1, 4, options.cells, options.cells, generator=rng)
    levels = trailing(prior.schedule, options.steps, start=0.98)
    calls: list[Any] = []
    hook = prior.network.register_forward_pre_hook(
        lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True
    )

    def loop() -> None:
        finish(ddim(prior, told[1], told[0], eps, levels, 5.0))

    def bare() -> None:
        for args, kwargs in calls:
            prior.network(*args, **kwargs)

    with torch.no_grad():
        loop()
        hook.remove()
        pairs = [(seconds(bare), seconds(loop)) for _ in range(options.runs)]
    without, with_loop = (min(times) for times in zip(*pairs, strict=True))
    count = sum(weight.numel() for weight in prior.network.parameters())
    return (
        f"| {shape}, widths / {options.width} | {count / 1e6:.0f} M | {without:.2f} | "
        f"{with_loop:.2f} | {100 * (with_loop / without - 1):+.1f} % |"
    )


def prompts(shape: str) -> list[TextCondition]:
    """The null prompt and another one, as random numbers."""
    rng = torch.Generator().manual_seed(0)
    width, pooled = (768, None) if shape == "sd15" else (2048, 1280)
    return [
        TextCondition(
            name,
            torch.randn(1, 77, width, generator=rng),
            None if pooled is None else torch.randn(1, pooled, generator=rng),
        )
        for name in ("", "cat")
    ]


def main(arguments: list[str] | None = None) -> None:
    """Warm up, then take turns; the least of several runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cells", type=int, default=32, help="side of the latents")
    parser.add_argument("--width", type=int, default=4, help="widths are divided by it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| shape | parameters | bare s | loop s | overhead |\n|---|---|---|---|---|")
    for shape in ("sd15", "sdxl"):
        print(measured(shape, options), flush=True)


if __name__ == "__main__":
    main()
