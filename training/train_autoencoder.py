"""Train the autoencoder: 8 latent channels, f = 8, 128 px, latents folded to N(0, 1).

    python training/train_autoencoder.py --minutes 46

64-px crops for 85 % of the run (four times as many for the same cost), full pictures at the end,
cosine to zero, colors permuted in 30 % of the batches so that every hue counts alike. Two
single-thread processes average their gradients over gloo. To go on from an earlier result: --warm.
"""

import argparse
import math
import random
import time
from pathlib import Path

import fused_norm
import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

SCALE = 0.18215
PORT = 29617


def build(warm: Path | None) -> AutoencoderKL:
    """The network, fresh or from a folder."""
    torch.manual_seed(0)
    if warm:
        vae = AutoencoderKL.from_pretrained(warm).float()
    else:
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(32, 32, 96, 160),
            layers_per_block=1,
            latent_channels=8,
            norm_num_groups=8,
            sample_size=128,
            mid_block_add_attention=False,
            scaling_factor=SCALE,
        )
    return vae.to(memory_format=torch.channels_last)


def batch(data: np.ndarray, full: bool) -> Tensor:
    """Two full pictures or eight 64-px crops in [-1, 1]."""
    count = 2 if full else 8
    rows = np.random.randint(0, len(data), count)
    if full:
        part = data[rows]
    else:
        y, x = 8 * np.random.randint(0, 9, 2)
        part = data[rows, y : y + 64, x : x + 64]
    pictures = torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2).float() / 127.5 - 1
    if random.random() < 0.3:
        pictures = pictures[:, torch.randperm(3)]
    return pictures.contiguous(memory_format=torch.channels_last)


def loss_of(vae: AutoencoderKL, x: Tensor) -> tuple[Tensor, float]:
    """L1 + L2 + gradients + coarse colors + a little KL; and the PSNR of the batch."""
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        d = vae.decode(posterior.sample()).sample.float() - x
    edges = d.diff(dim=3).abs().mean() + d.diff(dim=2).abs().mean()
    loss = d.abs().mean() + 2 * d.pow(2).mean() + 0.5 * edges
    loss = loss + 0.5 * F.avg_pool2d(d, 4).abs().mean()
    loss = loss + 1e-4 * posterior.kl().mean() / posterior.mean[0].numel()
    return loss, -10 * math.log10(d.detach().pow(2).mean().item() / 4)


@torch.no_grad()
def measure(vae: AutoencoderKL, held: np.ndarray) -> float:
    """Mean PSNR of held-out augmentations in dB."""
    found = []
    for start in range(0, len(held), 16):
        x = torch.from_numpy(held[start : start + 16]).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16):
            y = vae.decode(vae.encode(x).latent_dist.mean).sample.float().clamp(-1, 1)
        found.append(-10 * ((y - x) / 2).pow(2).flatten(1).mean(1).log10())
    return torch.cat(found).mean().item()


@torch.no_grad()
def fold(vae: AutoencoderKL, pictures: np.ndarray) -> None:
    """Fold each channel's mean and scale into the 1 x 1 convolutions: latents become N(0, 1)."""
    rows = []
    for start in range(0, len(pictures), 16):
        x = torch.from_numpy(pictures[start : start + 16]).permute(0, 3, 1, 2).float() / 127.5 - 1
        rows.append(vae.encode(x).latent_dist.mean)
    z = torch.cat(rows)
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3)) * vae.config.scaling_factor
    before, after, n = vae.quant_conv, vae.post_quant_conv, len(mean)
    before.weight[:n] /= std.view(-1, 1, 1, 1)
    before.bias[:n] = (before.bias[:n] - mean) / std
    before.bias[n:] -= 2 * std.log()
    after.bias += (after.weight[:, :, 0, 0] * mean).sum(1)
    after.weight *= std.view(1, -1, 1, 1)


def average(parameters: list, flat: Tensor) -> None:
    """All-reduce the gradients through one flat vector."""
    torch.cat([p.grad.reshape(-1) for p in parameters], out=flat)
    dist.all_reduce(flat)
    flat.div_(dist.get_world_size())
    offset = 0
    for p in parameters:
        p.grad.copy_(flat[offset : offset + p.numel()].view(p.shape))
        offset += p.numel()


def progress(began: float, minutes: float) -> float:
    """The share of the time that is over, as worker 0 sees it."""
    share = torch.tensor([(time.time() - began) / (60 * minutes)])
    dist.broadcast(share, 0)
    return share.item()


def train(vae: AutoencoderKL, data: np.ndarray, args, rank: int) -> list[Tensor]:
    """Train until the time is over; returns the averaged weights."""
    parameters = list(vae.parameters())
    flat = torch.zeros(sum(p.numel() for p in parameters))
    optimizer = torch.optim.AdamW(parameters, args.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    ema = [p.detach().clone() for p in parameters]
    began, step = time.time(), 0
    while (share := progress(began, args.minutes)) < 1:
        rate = args.lr * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss, psnr = loss_of(vae, batch(data, full=share > 0.85))
        loss.backward()
        average(parameters, flat)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        decay = min(0.998, (1 + step) / (10 + step))
        torch._foreach_lerp_(ema, [p.detach() for p in parameters], 1 - decay)
        step += 1
        if rank == 0 and step % 200 == 0:
            print(f"step {step} loss {loss.item():.4f} psnr {psnr:.2f} lr {rate:.1e}", flush=True)
    return ema


def work(rank: int, args) -> None:
    """One process."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{PORT}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=args.workers)
    vae = fused_norm.patch(build(args.warm))
    torch.manual_seed(rank + 1)
    np.random.seed(rank + 1)
    random.seed(rank + 1)
    data = np.load(args.data / "autoencoder.npy", mmap_mode="r")
    ema = train(vae, data, args, rank)
    if rank == 0:
        plain = build(args.warm)
        with torch.no_grad():
            for p, average_p in zip(plain.parameters(), ema, strict=True):
                p.copy_(average_p)
        fold(plain, np.array(data[:512]))
        plain.save_pretrained(args.out)
        held = np.load(args.data / "autoencoder_held.npy")
        print(f"{args.out}: {measure(plain, held):.2f} dB on held-out augmentations")
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    """Start the workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/autoencoder"))
    parser.add_argument("--warm", type=Path, help="autoencoder folder to start from")
    parser.add_argument("--minutes", type=float, default=46.0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    fused_norm.kernel()
    mp.spawn(work, args=(args,), nprocs=args.workers)


if __name__ == "__main__":
    main()
