"""Train the autoencoder: 8 latent channels, f = 8, 128 px, latents folded to N(0, 1).

    python -m training.autoencoder.train --minutes 46

64-px crops first (four times as many for the same cost), whole pictures at the end, cosine to zero,
EMA. A killed run continues with the same command: parameters, EMA, Adam's moments, the step and
the minutes spent are in `checkpoint.pt`, and the random numbers of a step depend only on the step.
As it goes: `log.jsonl`, `loss.png`, `reconstructions.png`. On a CPU: bf16, channels_last and
`--workers` single-thread processes that average their gradients; on a GPU:
bf16, channels_last, torch.compile and one process.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from diffusers import AutoencoderKL
from torch import Tensor

from training.autoencoder.finer import Finer, grow
from training.autoencoder.muon import Muon
from training.autoencoder.network import batch, build, fold, loss_of, psnr, reconstruct
from training.pictures import contact, plot

PORT = 29617


class Trainer:
    """One process of the run."""

    def __init__(self, rank: int, args: argparse.Namespace) -> None:
        self.rank, self.args, self.step, self.spent = rank, args, 0, 0.0
        self.device = torch.device(args.device)
        self.data = pictures(args.data / "autoencoder.npy", self.device)
        self.rng = torch.Generator(self.device)
        torch.manual_seed(args.seed)
        self.vae = network(args).to(self.device)
        self.parameters = trained(self.vae, args)
        self.ema = [p.detach().clone() for p in self.parameters]
        loss = getattr(Finer(args.finer, self.device), args.part) if args.finer else plain_loss
        self.loss = torch.compile(loss, dynamic=False) if args.compile else loss
        self.optimizers = optimizers(self.parameters, args)
        self.checkpoint = args.out / "checkpoint.pt"
        if self.checkpoint.exists():
            self.load()

    def load(self) -> None:
        """Go on from the checkpoint."""
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        with torch.no_grad():
            for mine, theirs in zip(self.parameters, state["parameters"], strict=True):
                mine.copy_(theirs)
        self.ema = [e.to(self.device) for e in state["ema"]]
        for mine, theirs in zip(self.optimizers, state["optimizers"], strict=True):
            mine.load_state_dict(theirs)
        self.step, self.spent = state["step"], state["spent"]
        print(f"goes on from step {self.step}, {self.spent / 60:.1f} minutes", flush=True)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "parameters": [p.detach() for p in self.parameters],
            "ema": self.ema,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "spent": self.spent,
        }
        torch.save(state, self.checkpoint.with_suffix(".tmp"))
        os.replace(self.checkpoint.with_suffix(".tmp"), self.checkpoint)

    def averaged(self) -> torch.nn.Module:
        """A plain network with the averaged weights."""
        plain = network(self.args).to(self.device)
        with torch.no_grad():
            for p, mean in zip(trained(plain, self.args), self.ema, strict=True):
                p.copy_(mean)
        return plain

    def rate(self) -> float:
        """Warm-up, then a cosine to zero at the end of the time."""
        share = min(1.0, self.spent / (60 * self.args.minutes))
        return self.args.lr * min(1, (self.step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share))

    def update(self) -> tuple[float, float]:
        """One step; loss and PSNR of its batch."""
        share = self.spent / (60 * self.args.minutes)
        rng = np.random.default_rng([self.args.seed, self.rank, self.step])
        torch.manual_seed(int(rng.integers(2**31)))
        self.rng.manual_seed(int(rng.integers(2**31)))
        whole = share >= 1 - self.args.whole
        if self.args.finer:  # what a denoiser leaves needs whole pictures: every second step
            whole = whole or bool(self.step % 2)
        x = batch(self.data, self.args.batch, whole, self.rng)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = self.rate()
            optimizer.zero_grad(set_to_none=True)
        loss, quality = self.loss(self.vae, x, whole)
        loss.backward()
        if self.args.workers > 1:
            average(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(0.998, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], 1 - decay)
        self.step += 1
        return loss.item(), quality.item()

    def run(self) -> None:
        """Train until the minutes are spent."""
        before, recent, saved = time.time() - self.spent, [], self.spent
        shown, first = self.spent, self.step
        while self.spent < 60 * self.args.minutes:
            recent.append(self.update())
            self.spent = self.agree(time.time() - before)
            if self.rank:
                continue
            if self.step % 100 == 0:
                self.log(recent, first)
                recent, first = [], self.step
            if self.spent - shown > 60 * self.args.every:
                self.show()
                shown = self.spent
            if self.spent - saved > 60 * self.args.save:
                self.save()
                saved = self.spent
        if self.rank == 0:
            self.save()

    def agree(self, seconds: float) -> float:
        """The seconds spent, as worker 0 counts them."""
        if self.args.workers == 1:
            return seconds
        agreed = torch.tensor([seconds])
        dist.broadcast(agreed, 0)
        return agreed.item()

    def log(self, recent: list[tuple[float, float]], first: int) -> None:
        """One line on the screen and in log.jsonl."""
        loss, quality = (sum(column) / len(recent) for column in zip(*recent, strict=True))
        row = {"step": self.step, "minutes": self.spent / 60, "loss": loss, "psnr": quality}
        row |= {"lr": self.rate()}
        self.write(row)
        print(" ".join(f"{k} {v:.5g}" for k, v in row.items()), flush=True)

    def show(self) -> None:
        """The measured files through the averaged weights: PSNR, sheet, plot."""
        plain, row = self.averaged(), {"step": self.step, "minutes": self.spent / 60}
        pages = []
        for name in ("held_out", "unseen"):
            path = self.args.data / f"autoencoder_{name}.npy"
            if path.exists():
                cells = np.load(path)[:48]
                again = reconstruct(plain, cells)
                row[name] = float(psnr(cells, again).mean())
                pages.append((cells[:24], again[:24]))
        self.write(row)
        if pages:
            above, below = (np.concatenate(part) for part in zip(*pages, strict=True))
            rows = {"pictures": above, "reconstructions": below}
            contact(rows, [], self.args.out / "reconstructions.png")
        draw(self.args.out / "log.jsonl", self.args.out / "loss.png")
        print("averaged: " + " ".join(f"{k} {v:.5g}" for k, v in row.items()), flush=True)

    def write(self, row: dict[str, float]) -> None:
        """One line of log.jsonl."""
        with (self.args.out / "log.jsonl").open("a") as file:
            file.write(json.dumps({k: round(v, 6) for k, v in row.items()}) + "\n")


def network(args: argparse.Namespace) -> AutoencoderKL:
    """The network that this run begins from."""
    if args.finer and not args.warm:
        return grow(build(args.finer / "vae"))
    return build(args.warm)


def trained(vae: AutoencoderKL, args: argparse.Namespace) -> list[torch.nn.Parameter]:
    """The parameters that this run changes."""
    if not args.finer:
        return list(vae.parameters())
    coder = (vae.post_quant_conv, vae.decoder)
    if args.part == "encoder":  # what lies before the old encoder; that one stays as it is
        coder = (vae.encoder.conv_in, vae.encoder.down_blocks[0])
    return [p for module in coder for p in module.parameters()]


def plain_loss(vae: AutoencoderKL, x: Tensor, whole: bool) -> tuple[Tensor, Tensor]:
    """The loss of pictures of one size, whole or not."""
    del whole
    return loss_of(vae, x)


def draw(log: Path, path: Path) -> None:
    """Loss and PSNR of a log."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    titles = {"psnr": "batches (augmented, trained)",
              "held_out": "held-out augmentations", "unseen": "style never trained on"}  # fmt: skip
    points = {
        titles[key]: [(row["minutes"], row[key]) for row in rows if key in row] for key in titles
    }
    loss = {"batches": [(row["minutes"], row["loss"]) for row in rows if "loss" in row]}
    plot({"loss": loss, "PSNR in dB": points}, "minutes", path)


def pictures(path: Path, device: torch.device) -> Tensor:
    """All of the file on a GPU; on a CPU what is read is left in the file."""
    if device.type == "cpu":
        return torch.from_numpy(np.load(path, mmap_mode="c"))
    return torch.from_numpy(np.load(path)).to(device)


def optimizers(parameters: list[torch.nn.Parameter], args) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions and AdamW for the rest, or AdamW for everything."""
    wide = [p for p in parameters if p.dim() == 4] if args.muon else []
    rest = [p for p in parameters if not (args.muon and p.dim() == 4)]
    adam = torch.optim.AdamW(rest, args.lr, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    return [adam, Muon(wide, args.lr)] if wide else [adam]


def average(parameters: list[torch.nn.Parameter]) -> None:
    """All-reduce the gradients through one flat vector."""
    flat = torch.cat([p.grad.reshape(-1) for p in parameters])
    dist.all_reduce(flat)
    parts: tuple[Tensor, ...] = flat.div_(dist.get_world_size()).split(
        [p.numel() for p in parameters]
    )
    for p, part in zip(parameters, parts, strict=True):
        p.grad.copy_(part.view(p.shape))


def work(rank: int, args: argparse.Namespace) -> None:
    """One process: train; the first one also saves, folds and measures."""
    torch.set_num_threads(1)
    if args.workers > 1:
        address = f"tcp://127.0.0.1:{PORT}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=args.workers)
    trainer = Trainer(rank, args)
    trainer.run()
    if rank == 0:
        trainer.show()
        plain = trainer.averaged()
        if not args.finer:  # those latents are known already
            fold(plain, trainer.data[:512].cpu().numpy())
        plain.save_pretrained(args.out / "vae")
        print(f"{args.out / 'vae'}: written after {trainer.step} steps")
    if args.workers > 1:
        dist.barrier()
        dist.destroy_process_group()


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/autoencoder"))
    parser.add_argument("--warm", type=Path, help="autoencoder folder to start from")
    parser.add_argument("--finer", type=Path, help="pipeline whose pictures become twice as large")
    parser.add_argument("--part", choices=("decoder", "encoder"), default="decoder")
    parser.add_argument("--minutes", type=float, default=46.0, help="in all, kills not counted")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, help="whole pictures a step (2 on a CPU, 64 on a GPU)")
    whole = "last share with whole pictures (0.18; on a GPU 1, so that one shape is compiled)"
    parser.add_argument("--whole", type=float, help=whole)
    parser.add_argument("--workers", type=int, help="processes (2 on a CPU, 1 on a GPU)")
    parser.add_argument("--every", type=float, default=5.0, help="minutes between sheets")
    parser.add_argument("--save", type=float, default=2.0, help="minutes between checkpoints")
    parser.add_argument("--muon", action="store_true", help="Muon for the convolutions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="(on a GPU: yes)")
    args = parser.parse_args()
    gpu = args.device != "cpu"
    args.batch = args.batch or (64 if gpu else 2)
    args.workers = args.workers or (1 if gpu else 2)
    args.compile = gpu if args.compile is None else args.compile
    if args.whole is None:
        args.whole = 1.0 if gpu else 0.18
    if gpu and args.workers > 1:
        parser.error(f"--workers {args.workers} is for CPUs; on {args.device} use --workers 1")
    return args


def main() -> None:
    """Start the workers."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.workers == 1:
        work(0, args)
    else:
        mp.spawn(work, args=(args,), nprocs=args.workers)


if __name__ == "__main__":
    main()
