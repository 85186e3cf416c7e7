"""What a run shows of itself while it goes: its log, its loss curve, sheets of samples."""

import time
from pathlib import Path

import model
import plot
import torch
from diffusers import AutoencoderKL
from sample import OBJECTS, PROMPTS, Sampler, sheet

SCALE = 4.0
STEPS = 20


class Looks:
    """Writes log.txt, loss.png and samples_NNNNNN.png into the folder of a run."""

    def __init__(self, args, tokenizer) -> None:
        """Without `args.vae` there are no sheets."""
        self.run: Path = args.run
        self.every, self.last = 60 * args.look, time.time()
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
            plot.draw(self.run / "log.txt", self.run / "loss.png")
        if self.sampler is not None:
            model.unflatten(ema, self.sampler.text, self.sampler.unet)
            prompts = [*PROMPTS, *OBJECTS]
            pictures = self.sampler(prompts, SCALE, STEPS, 0)
            sheet({f"{SCALE}": pictures}, prompts).save(self.run / f"samples_{step:06d}.png")
