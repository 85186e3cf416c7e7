"""Train the photograph prior on one CPU core, or on a GPU.

    python -m training.photo.train --minutes 120
    python -m training.photo.train --minutes 6 --device cuda --batch 128 --compile

64-px crops, 96 px in the last quarter; Muon for the convolutions, AdamW for the rest; the rate is
constant and falls to zero in the last quarter; EMA. A killed run continues with the same command; a
run that was constant to its end (`stable.pt`) is the start of a longer one: `--start stable.pt`.
As it goes: `log.jsonl`, PSNR of held-out photographs at sigma 15, 25 and 50 of 255.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.autoencoder.muon import Muon
from training.photo.data import OUT
from training.photo.network import build, denoise, loss_of, timesteps

FALL = 0.25
"""Share of the run in which the rate falls and the crops are larger."""


class Photographs:
    """Random crops of packed pictures.

    Args:
        path: of the pixels; their sizes lie beside.
    """

    def __init__(self, path: Path) -> None:
        self.pixels = np.load(path, mmap_mode="r")
        self.sizes = np.load(path.with_name(path.stem + "_sizes.npy"))
        lengths = self.sizes.prod(1) * 3
        self.starts = np.concatenate([[0], lengths.cumsum()[:-1]])
        self.weights = np.minimum(lengths, 600_000) / np.minimum(lengths, 600_000).sum()

    def picture(self, index: int) -> np.ndarray:
        """uint8 [h, w, 3]."""
        h, w = self.sizes[index]
        start = self.starts[index]
        return self.pixels[start : start + h * w * 3].reshape(h, w, 3)

    def crops(self, count: int, side: int, rng: np.random.Generator) -> Tensor:
        """Crops in [-1, 1], turned, mirrored and `varied`: [count, 3, side, side]."""
        found = []
        while len(found) < count:
            picture = self.picture(int(rng.choice(len(self.sizes), p=self.weights)))
            h, w = picture.shape[:2]
            if min(h, w) < side:
                continue
            y, x = rng.integers(h - side + 1), rng.integers(w - side + 1)
            crop = np.rot90(picture[y : y + side, x : x + side], int(rng.integers(4)))
            found.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        x = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 127.5
        return torch.stack([varied(each, rng) for each in x]) - 1


def varied(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A crop in [0, 2], at times with its colors swapped or its contrast changed, cut at the ends.

    The photographs have dull colors; of saturated ones, and of clipped white, there are too few.
    """
    if rng.random() < 0.3:
        x = x[torch.from_numpy(rng.permutation(3))]
    if rng.random() < 0.4:
        pivot, gain = float(rng.uniform(0.3, 1.7)), float(rng.uniform(0.6, 2.2))
        gray = x.mean(0, keepdim=True)
        colors = float(rng.uniform(0.8, 2.5))
        x = ((gray + colors * (x - gray) - pivot) * gain + pivot).clamp(0, 2)
    return x


class Trainer:
    """One run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.step, self.spent = args, 0, 0.0
        self.device = torch.device(args.device)
        self.data = Photographs(args.data / "train.npy")
        self.validation = Photographs(args.data / "validation.npy")
        network = build().to(self.device, memory_format=torch.channels_last)
        self.parameters = list(network.parameters())
        self.ema = [p.detach().clone() for p in self.parameters]
        wide = [p for p in self.parameters if p.dim() == 4]
        rest = [p for p in self.parameters if p.dim() != 4]
        adam = torch.optim.AdamW(rest, args.lr, betas=(0.9, 0.99), weight_decay=1e-4)
        self.optimizers = [adam, Muon(wide, args.lr)]
        self.network = network
        if args.compile:
            self.network.compile(dynamic=False)
        self.checkpoint = args.out / "checkpoint.pt"
        if self.checkpoint.exists() or args.start:
            self.load(self.checkpoint if self.checkpoint.exists() else args.start)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        with torch.no_grad():
            for mine, theirs in zip(self.parameters, state["parameters"], strict=True):
                mine.copy_(theirs)
        self.ema = [e.to(self.device) for e in state["ema"]]
        for mine, theirs in zip(self.optimizers, state["optimizers"], strict=True):
            mine.load_state_dict(theirs)
        self.step, self.spent = state["step"], state["spent"]
        print(f"goes on from step {self.step}, {self.spent / 60:.1f} minutes", flush=True)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "parameters": [p.detach() for p in self.parameters],
            "ema": self.ema,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "spent": self.spent,
        }
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def update(self) -> float:
        """One step; its loss."""
        left = 1 - self.spent / (60 * self.args.minutes)
        rng = np.random.default_rng([self.args.seed, self.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        side, batch = (64, self.args.batch) if left > FALL else (96, max(1, self.args.batch // 2))
        x = self.data.crops(batch, side, rng)
        t, noise = timesteps(batch, generator), torch.randn(x.shape, generator=generator)
        rate = self.args.lr * min(1, (self.step + 1) / 100) * min(1, max(0, left) / FALL)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            x, t, noise = (each.to(self.device, non_blocking=True) for each in (x, t, noise))
            loss = loss_of(self.network, x, t, noise).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(0.9985, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], 1 - decay)
        self.step += 1
        return loss.item()

    def averaged(self) -> torch.nn.Module:
        """A plain network with the averaged weights."""
        plain = build().to(self.device).eval()
        with torch.no_grad():
            for p, mean in zip(plain.parameters(), self.ema, strict=True):
                p.copy_(mean)
        return plain

    def quality(self) -> dict[str, float]:
        """PSNR of held-out photographs, denoised by the averaged weights, by sigma."""
        plain, found = self.averaged(), {}
        for level in (15, 25, 50):
            errors = []
            for i in range(12):
                x = (
                    torch.from_numpy(self.validation.picture(i).copy()).permute(2, 0, 1).float()
                    / 255
                )
                x = x[None, :, : x.shape[1] // 8 * 8, : x.shape[2] // 8 * 8].to(self.device)
                noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(i))
                y = x + level / 255 * noise.to(self.device)
                errors.append((denoise(plain, y, level / 255).clamp(0, 1) - x).square().mean())
            found[f"psnr_{level}"] = -10 * torch.stack(errors).log10().mean().item()
        return found

    def run(self) -> None:
        """Train until the minutes are spent."""
        before, recent, saved, shown = time.time(), [], self.spent, self.spent
        falling, stable = False, self.args.out / "stable.pt"
        while self.spent < 60 * self.args.minutes:
            recent.append(self.update())
            now = time.time()  # a clock that jumps does not end the run
            before, self.spent = now, self.spent + min(30.0, now - before)
            last = self.spent >= 60 * self.args.minutes
            constant = self.spent < (1 - FALL) * 60 * self.args.minutes
            if not constant and not falling:
                self.save(stable)
                falling = True
            if self.spent - saved > 60 * self.args.save or last:
                self.save(self.checkpoint)
                saved = self.spent
            if self.spent - shown > 60 * self.args.every or last:
                row = {"step": self.step, "minutes": self.spent / 60, **self.quality()}
                row["loss"] = sum(recent) / len(recent)
                with (self.args.out / "log.jsonl").open("a") as file:
                    file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
                print(" ".join(f"{k} {v:.5g}" for k, v in row.items()), flush=True)
                recent, shown = [], self.spent


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=OUT)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--start", type=Path, help="a checkpoint to start from")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--every", type=float, default=4, help="minutes between figures")
    parser.add_argument("--save", type=float, default=4, help="minutes between checkpoints")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    Trainer(args).run()


if __name__ == "__main__":
    main()
