"""The autoencoder: its shape, its batches, its loss, its PSNR."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

SCALE = 0.18215


def build(warm: Path | None = None) -> AutoencoderKL:
    """The network (8 latent channels, f = 8, 4.3 M parameters), fresh or from a folder."""
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


def batch(data: Tensor, size: int, whole: bool, rng: torch.Generator) -> Tensor:
    """`size` whole pictures, or 4 `size` crops of half the side: [b, 3, h, w] in [-1, 1].

    Crops lie anywhere, rather near the middle, where the drawings are. Mirrored and turned at
    random; the three color channels are permuted in 30 % and inverted in 10 % of the pictures,
    so that every hue counts alike.

    Args:
        data: uint8 [n, side, side, 3], on the device that works.
        size: pictures.
        whole: whether they are whole.
        rng: of the same device.
    """
    count, side = (size, data.shape[1]) if whole else (4 * size, data.shape[1] // 2)
    options = {"generator": rng, "device": data.device}

    def chance(share: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, **options) < share

    rows = torch.randint(len(data), (count,), **options)
    start = torch.zeros(2, count, 1, dtype=torch.long, device=data.device)
    if not whole:
        start = torch.randint(side // 2 + 1, (2, 2, count, 1), **options).sum(0)
    y, x = start + torch.arange(side, device=data.device)
    y = torch.where(chance(0.5)[:, 0, 0], y.flip(1), y)
    x = torch.where(chance(0.5)[:, 0, 0], x.flip(1), x)
    output = data[rows[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
    output = torch.where(chance(0.5), output.mT, output).float() / 127.5 - 1
    order = torch.rand(count, 3, **options).argsort(1)[:, :, None, None].expand_as(output)
    output = torch.where(chance(0.3), output.gather(1, order), output)
    output = torch.where(chance(0.1), -output, output)
    return output.contiguous(memory_format=torch.channels_last)


def loss_of(vae: AutoencoderKL, x: Tensor) -> tuple[Tensor, Tensor]:
    """The training loss, and the mean PSNR of the batch in dB.

    L1 + 0.02 log MSE of each picture (the PSNR itself) + edges + coarse colors + a little KL.
    """
    with torch.autocast(x.device.type, torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        z = posterior.mean + posterior.std * torch.randn_like(posterior.mean)
        d = vae.decode(z).sample.float() - x
    edges = d.diff(dim=3).abs().mean() + d.diff(dim=2).abs().mean()
    nats = (d.pow(2).mean((1, 2, 3)) + 1e-5).log().mean()
    loss = d.abs().mean() + 0.02 * nats + 0.5 * edges + 0.5 * F.avg_pool2d(d, 4).abs().mean()
    loss = loss + 1e-4 * posterior.kl().mean() / posterior.mean[0].numel()
    return loss, -10 * (nats.detach() / np.log(10) - np.log10(4))


def as_batch(pictures: np.ndarray, vae: AutoencoderKL) -> Tensor:
    """uint8 [n, h, w, 3] -> [n, 3, h, w] in [-1, 1], where the network is."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(vae.device)
    x = x.permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, pictures: np.ndarray, size: int = 16) -> np.ndarray:
    """uint8 [n, h, w, 3] through the autoencoder (posterior mean), rounded to uint8 again."""
    output = []
    for start in range(0, len(pictures), size):
        x = as_batch(pictures[start : start + size], vae)
        y = vae.decode(vae.encode(x).latent_dist.mean).sample.float().clamp(-1, 1)
        output.append(((y + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(output)


def psnr(pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
    """PSNR in dB of each pair of uint8 pictures; [n]."""
    error = ((pictures.astype(np.float32) - others.astype(np.float32)) / 255) ** 2
    return -10 * np.log10(error.reshape(len(error), -1).mean(1).clip(1e-10))


@torch.no_grad()
def fold(vae: AutoencoderKL, pictures: np.ndarray) -> None:
    """Fold each channel's mean and scale into the 1 x 1 convolutions: latents become N(0, 1)."""
    rows = []
    for start in range(0, len(pictures), 16):
        rows.append(vae.encode(as_batch(pictures[start : start + 16], vae)).latent_dist.mean)
    z = torch.cat(rows)
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3)) * vae.config.scaling_factor
    before, after, n = vae.quant_conv, vae.post_quant_conv, len(mean)
    before.weight[:n] /= std.view(-1, 1, 1, 1)
    before.bias[:n] = (before.bias[:n] - mean) / std
    before.bias[n:] -= 2 * std.log()
    after.bias += (after.weight[:, :, 0, 0] * mean).sum(1)
    after.weight *= std.view(1, -1, 1, 1)
