"""Encode rendered shards once with the frozen autoencoder: training then costs only the UNet.

    python -m training.denoiser.encode --vae PATH --data training/runs/data

Writes `latents_NNN.npy` (float16 [n, 8, 16, 16], times the scaling factor: about N(0, 1)) beside
each `labels_NNN.json`. Safe to run in several processes with --part 0/2 and 1/2.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL


def load_vae(path: Path, device: str = "cpu") -> AutoencoderKL:
    """The frozen autoencoder, float32, channels_last."""
    vae = AutoencoderKL.from_pretrained(path).float().eval().requires_grad_(False)
    return vae.to(device, memory_format=torch.channels_last)


@torch.no_grad()
def encode(vae: AutoencoderKL, images: np.ndarray, batch: int = 40) -> np.ndarray:
    """uint8 pictures -> scaled latent means, float16."""
    rows = []
    for start in range(0, len(images), batch):
        x = torch.from_numpy(np.array(images[start : start + batch])).to(vae.device)
        x = x.permute(0, 3, 1, 2)
        x = x.float() / 127.5 - 1
        side = vae.config.sample_size
        if x.shape[-1] != side:  # 128 px for an autoencoder of 256: its latents are the same
            x = F.interpolate(x, (side, side), mode="bicubic").clamp(-1, 1)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(vae.device.type, torch.bfloat16):
            mean = vae.encode(x).latent_dist.mean
        rows.append((mean.float() * vae.config.scaling_factor).half().contiguous().cpu().numpy())
    return np.concatenate(rows)


def encode_shard(vae: AutoencoderKL, labels: Path, batch: int) -> None:
    """Encode one shard and report its statistics."""
    began = time.time()
    number = labels.stem.split("_")[1]
    images = np.load(labels.with_name(f"images_{number}.npy"), mmap_mode="r")
    latents = encode(vae, images, batch)
    temporary = labels.with_name(f".latents_{number}.npy")
    np.save(temporary, latents)
    os.replace(temporary, labels.with_name(f"latents_{number}.npy"))
    z = latents.astype(np.float32)
    speed = len(images) / (time.time() - began)
    print(
        f"shard {number}: {speed:.1f} images/s, mean {np.round(z.mean((0, 2, 3)), 2)}, "
        f"std {np.round(z.std((0, 2, 3)), 2)}",
        flush=True,
    )


def main() -> None:
    """Encode every shard that has no latents yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vae", type=Path, required=True, help="folder of the autoencoder")
    parser.add_argument("--data", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--part", default="0/1", help="this process' share, such as 0/2")
    parser.add_argument("--limit", type=int, default=10**6, help="stop after so many shards")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    vae = load_vae(args.vae, args.device)
    part, parts = map(int, args.part.split("/"))
    done = 0
    for labels in sorted(args.data.glob("labels_*.json")):
        number = labels.stem.split("_")[1]
        mine = int(number) % parts == part
        if mine and done < args.limit and not labels.with_name(f"latents_{number}.npy").exists():
            encode_shard(vae, labels, args.batch)
            done += 1


if __name__ == "__main__":
    main()
