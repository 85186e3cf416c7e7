"""Train the judge: a small image/text dual encoder over the same concepts, with its own pictures.

    python -m training.judge.train --icons training/runs/icons --minutes 10

Rendered with other seeds and wider augmentation than the denoiser's data; blur, noise, fading and
re-sampling make it robust to the soft pictures of a small model. A killed run continues with the
same command (checkpoint.pt in `--run`). Writes judge.safetensors (fp16) and judge.json, with its
accuracy. One single-thread process on a CPU; bf16, channels_last and torch.compile on a GPU.
"""

import argparse
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from benchmarks.judge import DualEncoder
from training.data.captions import BACKGROUNDS
from training.data.concepts import icon_names, title
from training.data.icons import SETS, load_sets
from training.judge.data import Labeled, damage, render
from training.judge.evaluate import write

SEED = 500_000


class Trainer:
    """AdamW with label smoothing, and the average of the late weights."""

    def __init__(self, data: Labeled, texts: tuple[list[str], list[str]], args) -> None:
        self.args, self.texts, self.step, self.spent = args, texts, 0, 0.0
        self.data = tuple(part.to(args.device) for part in data)
        torch.manual_seed(0)
        self.network = DualEncoder(*texts).to(args.device, memory_format=torch.channels_last)
        decay = torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
        self.late = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=decay, use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(self.network.parameters(), args.lr, weight_decay=0.02)
        self.checkpoint = args.run / "checkpoint.pt"
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, map_location=args.device, weights_only=True)
            for part in ("network", "late", "optimizer"):
                getattr(self, part).load_state_dict(state[part])
            self.step, self.spent = state["step"], state["spent"]
            print(f"goes on from step {self.step}", flush=True)
        if args.device != "cpu":
            self.network.image.compile()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        parts = {
            part: getattr(self, part).state_dict() for part in ("network", "late", "optimizer")
        }
        partial = self.checkpoint.with_suffix(".tmp")
        torch.save(parts | {"step": self.step, "spent": self.spent}, partial)
        os.replace(partial, self.checkpoint)

    def update(self) -> tuple[float, float]:
        """One step on freshly damaged pictures; loss and top-1 of the batch."""
        share = self.spent / (60 * self.args.minutes)
        self.optimizer.param_groups[0]["lr"] = learning_rate(share, self.args.lr)
        seed = int(np.random.default_rng([1, self.step]).integers(2**31))
        torch.manual_seed(seed)
        random.seed(seed)
        images, concepts, behind = self.data
        rows = torch.randint(0, len(images), (self.args.batch,)).to(images.device)
        x = damage(images[rows].float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16):
            what, backdrops = self.network.logits(x, *self.texts)
        loss = F.cross_entropy(what.float(), concepts[rows], label_smoothing=0.05)
        loss = loss + 0.3 * F.cross_entropy(backdrops.float(), behind[rows], label_smoothing=0.05)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.late.update_parameters(self.network)
        self.step += 1
        return loss.item(), (what.argmax(1) == concepts[rows]).float().mean().item()

    def run(self) -> None:
        """Until the minutes are spent."""
        before, recent, saved = time.time() - self.spent, [], self.spent
        while self.spent < 60 * self.args.minutes:
            recent.append(self.update())
            self.spent = time.time() - before
            if self.step % 100 == 0:
                loss, top = (sum(column) / len(recent) for column in zip(*recent, strict=True))
                print(f"step {self.step} loss {loss:.3f} top-1 {top:.3f}", flush=True)
                recent = []
            if self.spent - saved > 30:
                self.save()
                saved = self.spent
        self.save()


def learning_rate(fraction: float, top: float) -> float:
    """Short warm-up, then a cosine."""
    fraction = min(1.0, fraction)
    return top * min(1.0, fraction / 0.03 + 0.02) * 0.5 * (1 + math.cos(math.pi * fraction))


def export(trainer: Trainer, out: Path) -> None:
    """judge.safetensors (fp16) and judge.json, without its accuracy."""
    out.mkdir(parents=True, exist_ok=True)
    network = trainer.late.module.cpu()
    weights = {
        k: (v.half() if v.is_floating_point() else v).contiguous()
        for k, v in network.state_dict().items()
    }
    save_file(weights, out / "judge.safetensors")
    (out / "judge.safetensors").chmod(0o644)
    concepts, backgrounds = trainer.texts
    config = {"width": 128, "concepts": concepts, "backgrounds": backgrounds}
    config["parameters"] = sum(p.numel() for p in network.parameters())
    config |= {"minutes": trainer.args.minutes, "styles": trainer.args.styles}
    (out / "judge.json").write_text(json.dumps(config, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/judge"))
    parser.add_argument("--run", type=Path, help="checkpoints (default: OUT in training/runs)")
    parser.add_argument("--pictures", type=int, default=24_000)
    parser.add_argument("--held-out", type=int, default=2016, help="held-out pictures")
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, kills not counted")
    parser.add_argument("--styles", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    args.run = args.run or Path("training/runs") / args.out.name
    return args


def main() -> None:
    """Render, train, save, measure."""
    args = arguments()
    torch.set_num_threads(1)
    args.run.mkdir(parents=True, exist_ok=True)
    sets = load_sets(args.icons)
    data = render(sets, args.pictures, SEED, args.styles)
    print(f"{args.pictures} pictures rendered", flush=True)
    trainer = Trainer(data, ([title(n) for n in icon_names()], list(BACKGROUNDS)), args)
    trainer.run()
    export(trainer, args.out)
    print(json.dumps(write(args.out, sets, args.held_out), indent=1))


if __name__ == "__main__":
    main()
