"""What a run writes while it goes: its log, its loss curve, sheets of samples."""

import re
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from training.denoiser import network as model
from training.denoiser.sample import OBJECTS, PROMPTS, Sampler
from training.pictures import as_uint8, contact, plot

SCALE = 4.0
STEPS = 20
LINE = re.compile(r"step (\d+) loss ([\d.]+) norm ([\d.]+) lr (\S+) .*quarter of t (.*)$")


class Progress:
    """Writes log.txt, loss.png and samples_NNNNNN.png into the folder of a run."""

    def __init__(self, args, tokenizer) -> None:
        """Without `args.vae` there are no sheets."""
        self.run: Path = args.run
        self.every, self.last = 60 * args.every, time.time()
        self.sampler = None
        if args.vae:
            parts = (*model.build(tokenizer), AutoencoderKL.from_pretrained(args.vae))
            self.sampler = Sampler(tokenizer, *parts, model.scheduler(), args.device)

    def write(self, line: str) -> None:
        """To the terminal and to log.txt."""
        print(line, flush=True)
        with (self.run / "log.txt").open("a") as log:
            log.write(line + "\n")

    def maybe(self, ema: torch.Tensor, step: int) -> None:
        """Draw when the time has come."""
        if time.time() - self.last > self.every:
            self.last = time.time()
            self.draw(ema, step)

    def draw(self, ema: torch.Tensor, step: int) -> None:
        """The loss so far, and samples of the EMA; the run's random numbers stay as they are."""
        if (self.run / "log.txt").exists():
            plot({"v-MSE": curves(self.run / "log.txt")}, "step", self.run / "loss.png")
        if self.sampler is not None:
            model.unflatten(ema, self.sampler.text, self.sampler.unet)
            prompts = [*PROMPTS, *OBJECTS]
            pictures = as_uint8(self.sampler(prompts, SCALE, STEPS, 0))
            contact({f"{SCALE}": pictures}, prompts, self.run / f"samples_{step:06d}.png")


def curves(log: Path) -> dict[str, list[tuple[float, float]]]:
    """The loss, and that of each quarter of t, by step; a repeated step counts once."""
    rows: dict[int, list[float]] = {}
    for line in log.read_text().splitlines():
        if match := LINE.search(line):
            rows[int(match[1])] = [float(match[2]), *map(float, match[5].split())]
    names = ("all", "t < 250", "t < 500", "t < 750", "t < 1000")
    return {
        name: [(step, row[k]) for step, row in sorted(rows.items())] for k, name in enumerate(names)
    }
