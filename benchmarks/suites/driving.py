"""What driving a pipeline's own call costs over that call: time, memory, difference.

Stable Diffusion 1.5 and XL at a quarter of their widths, random weights, on the CPU. Both run the
same levels from the same noise without guidance; processor time in turns in one process, the most
resident memory in processes of their own. The times of a network vary by more than driving costs,
so the same is measured with a network that answers at once: what is left is all that a call does
beside its network, its opening included.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import diffusers
import torch

from benchmarks.random_models import pipeline
from benchmarks.report import header, line
from dreamsampler import finish
from dreamsampler.methods.sampling import ddim
from dreamsampler.models.driven.codec import DrivenCodec
from dreamsampler.models.driven.family import DrivenFamily
from dreamsampler.models.network import NetworkPrior
from dreamsampler.samplers import leading

STEPS, SIDE = 20, 128
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
UNETS: dict[str, dict[str, Any]] = {
    "sd15": {
        "block_out_channels": (80, 160, 320, 320),
        "down_block_types": (CROSS[0], CROSS[0], CROSS[0], PLAIN[0]),
        "up_block_types": (PLAIN[1], CROSS[1], CROSS[1], CROSS[1]),
        "attention_head_dim": 8,
    },
    "sdxl": {
        "block_out_channels": (80, 160, 320),
        "down_block_types": (PLAIN[0], CROSS[0], CROSS[0]),
        "up_block_types": (CROSS[1], CROSS[1], PLAIN[1]),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 5, 10),
    },
}
"""The published UNets at a quarter of their widths; autoencoders and text encoders are tiny."""


class Pair:
    """A pipeline's own call, and our loop that drives it.

    Args:
        name: one of UNETS.
    """

    def __init__(self, name: str) -> None:
        self.pipe = pipeline(name, "cpu", tiny=True)
        more = {"norm_num_groups": 16, "layers_per_block": 2, "sample_size": SIDE // 8}
        config = {**self.pipe.unet.config, **more, **UNETS[name]}
        with torch.random.fork_rng():
            self.pipe.unet = type(self.pipe.unet).from_config(config).eval()
        # both end with a clean latent
        changes = {"set_alpha_to_one": True, "clip_sample": False}
        self.pipe.scheduler = diffusers.DDIMScheduler.from_config(
            self.pipe.scheduler.config, **changes
        )
        family: Any = DrivenFamily(self.pipe, {})
        codec: Any = DrivenCodec(family)
        self.prior = NetworkPrior(family, codec)
        generator = torch.Generator().manual_seed(0)
        self.eps = torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=generator)

    def own(self) -> torch.Tensor:
        """The pipeline's call."""
        return self.pipe(
            "a cat",
            height=SIDE,
            width=SIDE,
            latents=self.eps.clone(),
            num_inference_steps=STEPS,
            guidance_scale=1.0,
            output_type="latent",
        ).images

    def driven(self) -> torch.Tensor:
        """Our loop."""
        words, null = self.prior.condition("a cat"), self.prior.condition(None)
        schedule: Any = self.prior.schedule
        levels = leading(schedule, STEPS)
        with torch.no_grad():
            return finish(ddim(self.prior, words, null, self.eps, levels, 1.0)).z0

    def turns(self, count: int) -> tuple[list[float], list[float]]:
        """Seconds of processor time of the pipeline's call and of ours, in turns."""
        taken: dict[Any, list[float]] = {self.own: [], self.driven: []}
        for turn in range(count):
            for run in (self.own, self.driven) if turn % 2 else (self.driven, self.own):
                start = time.process_time()
                run()
                taken[run].append(time.process_time() - start)
        return taken[self.own], taken[self.driven]


def resident(name: str, who: str) -> float:
    """The most memory of a process that runs one of the two, in MiB."""
    command = [sys.executable, "-m", "benchmarks", "driving", "--alone", f"{name}.{who}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(turns: int = 7, alone: str = "") -> None:
    """Measure and print the table.

    Args:
        turns: of each.
        alone: NAME.own or NAME.driven: run that once, and print its memory.
    """
    torch.set_num_threads(1)
    if alone:
        name, _, who = alone.partition(".")
        getattr(Pair(name), who)()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    names = ("network", "own s", "driven s", "over own", "beside the network ms", "of own")
    print(header(*names, "largest difference", "own MiB", "driven MiB"))
    for name in UNETS:
        pair = Pair(name)
        difference = (pair.own() - pair.driven()).abs().max().item()
        own, driven = pair.turns(turns)
        over = statistics.median(b / a for a, b in zip(own, driven, strict=True)) - 1
        seconds = statistics.median(own)
        answer = (torch.zeros_like(pair.eps),)
        pair.pipe.unet.forward = lambda *_, answer=answer, **__: answer
        beside = [min(each) for each in pair.turns(turns)]
        print(
            line(
                name,
                f"{seconds:.2f}",
                f"{statistics.median(driven):.2f}",
                f"{100 * over:+.1f} %",
                " and ".join(f"{1000 * each:.0f}" for each in beside),
                f"{100 * (beside[1] - beside[0]) / seconds:+.2f} %",
                f"{difference:.1e}",
                *(f"{resident(name, who):.0f}" for who in ("own", "driven")),
            ),
            flush=True,
        )
