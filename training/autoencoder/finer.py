r"""An autoencoder for pictures twice as large, of the same latents: f = 16 from f = 8.

    python -m training.autoencoder.train --finer src/dreamsampler/models/bundled --part encoder \
        --data training/runs/finer --out training/runs/finer-encoder --workers 1 --lr 1e-4 \
        --minutes 7
    python -m training.autoencoder.train --finer src/dreamsampler/models/bundled --part decoder \
        --warm training/runs/finer-encoder/vae --data training/runs/finer \
        --out training/runs/finer --workers 1 --muon --lr 6e-4 --minutes 85

The decoder gains an upsampling block, the encoder a downsampling one, which begin near what lies
between the two sizes: a mean of 2 x 2 pixels before the old encoder, repeated values in the old
decoder. The encoder learns the latents that the old one has for the picture at half its size, so
that a denoiser of those latents stays as it is.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor

from training.autoencoder.network import SCALE


@torch.no_grad()
def grow(old: AutoencoderKL) -> AutoencoderKL:
    """The same network for twice the size; it starts as resize, old encoder, old decoder, repeat.

    Args:
        old: whose first level and the new one have as many channels.
    """
    first = old.config.block_out_channels[0]
    config = dict(old.config) | {
        "block_out_channels": (first, *old.config.block_out_channels),
        "down_block_types": ("DownEncoderBlock2D", *old.config.down_block_types),
        "up_block_types": (*old.config.up_block_types, "UpDecoderBlock2D"),
        "sample_size": 2 * old.config.sample_size,
    }
    new = AutoencoderKL.from_config(config)
    state = new.state_dict()
    for name, value in old.state_dict().items():
        parts = name.split(".")
        if parts[1] == "down_blocks":
            parts[2] = str(int(parts[2]) + 1)
        if name in ("encoder.conv_in.weight", "encoder.conv_in.bias"):
            continue
        state[".".join(parts)] = value
    new.load_state_dict(state)
    for block in (new.encoder.down_blocks[0], new.decoder.up_blocks[-1]):
        for resnet in block.resnets:  # each adds nothing yet
            torch.nn.init.zeros_(resnet.conv2.weight)
            torch.nn.init.zeros_(resnet.conv2.bias)
    repeat(new.decoder.up_blocks[-2].upsamplers[0].conv)
    halve(new.encoder, old.encoder.conv_in)
    return new.to(memory_format=torch.channels_last)


def repeat(conv: torch.nn.Conv2d) -> None:
    """Make the convolution after an upsampling the identity."""
    torch.nn.init.dirac_(conv.weight)
    torch.nn.init.zeros_(conv.bias)


def halve(encoder: torch.nn.Module, old: torch.nn.Conv2d) -> None:
    """The mean of 2 x 2 pixels and the old first convolution, in two convolutions.

    The first writes every pixel of 3 x 3 into a channel of its own; the second, of stride 2, reads
    rows 2 i to 2 i + 2 of them, so that it sees all but one row and column of the 6 x 6 pixels.
    """
    first, second = encoder.conv_in, encoder.down_blocks[0].downsamplers[0].conv
    for conv in (first, second):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    for channel in range(27):
        place, color = divmod(channel, 3)
        first.weight[channel, color, place // 3, place % 3] = 1.0

    def find(offset: int) -> tuple[int, int]:  # row of the second kernel, row of the first
        step = min(max(offset, 0), 2)
        return step, max(offset, -1) - step + 1

    second.bias.copy_(old.bias)
    for y in range(3):
        for x in range(3):
            for down in (0, 1):
                for right in (0, 1):
                    ky, py = find(2 * (y - 1) + down)
                    kx, px = find(2 * (x - 1) + right)
                    at = 3 * (3 * py + px)
                    second.weight[:, at : at + 3, ky, kx] += old.weight[:, :, y, x] / 4


class Finer:
    """Two losses of a grown autoencoder: `decoder` first, then `encoder`.

    Args:
        pipeline: the folder of the old one: its autoencoder, denoiser and text encoder.
    """

    def __init__(self, pipeline: Path, device: torch.device) -> None:
        pipe = StableDiffusionPipeline.from_pretrained(pipeline, torch_dtype=torch.float32)
        self.old = pipe.vae.to(device, memory_format=torch.channels_last).requires_grad_(False)
        self.unet = pipe.unet.to(device, memory_format=torch.channels_last).requires_grad_(False)
        self.alphas = pipe.scheduler.alphas_cumprod.to(device)
        with torch.no_grad():
            tokens = pipe.tokenizer("", padding="max_length", return_tensors="pt", max_length=24)
            self.empty = pipe.text_encoder(tokens.input_ids)[0].to(device)

    @torch.no_grad()
    def latents(self, x: Tensor, whole: bool) -> Tensor:
        """Latents of the pictures at half their size; of whole ones often as a denoiser left them.

        The denoiser's mean from noise of standard deviation 0.05 to 0.45, without a prompt: what
        the end of an edit decodes, with its small errors.
        """
        z = self.old.encode(F.avg_pool2d(x, 2)).latent_dist.sample()
        if not whole or torch.rand(()) < 0.25:
            return z
        z, level = z.float() * SCALE, 0.05 + 0.4 * torch.rand(())
        t = (1 - self.alphas).sqrt().sub(level).abs().argmin()
        a, b = self.alphas[t].sqrt(), (1 - self.alphas[t]).sqrt()
        noised = a * z + b * torch.randn_like(z)
        v = self.unet(noised, t, self.empty.expand(len(z), -1, -1)).sample.float()
        return (a * noised - b * v) / SCALE

    def decoder(self, vae: AutoencoderKL, x: Tensor, whole: bool) -> tuple[Tensor, Tensor]:
        """L1 + 0.02 log MSE + edges + coarse colors of what is decoded; its mean PSNR in dB."""
        with torch.autocast(x.device.type, torch.bfloat16):
            d = vae.decode(self.latents(x, whole)).sample.float() - x
        edges = d.diff(dim=3).abs().mean() + d.diff(dim=2).abs().mean()
        nats = (d.pow(2).mean((1, 2, 3)) + 1e-5).log().mean()
        loss = d.abs().mean() + 0.02 * nats + 0.5 * edges + 0.5 * F.avg_pool2d(d, 8).abs().mean()
        return loss, -10 / math.log(10) * nats.detach() + 10 * math.log10(4)

    def encoder(self, vae: AutoencoderKL, x: Tensor, whole: bool) -> tuple[Tensor, Tensor]:
        """Squared distance to the old latents' mean and log variance; the former in dB."""
        del whole
        with torch.autocast(x.device.type, torch.bfloat16):
            mine = vae.encode(x).latent_dist
            with torch.no_grad():
                known = self.old.encode(F.avg_pool2d(x, 2)).latent_dist
        off = ((mine.mean - known.mean).float() * SCALE).pow(2).mean()
        spread = (mine.logvar - known.logvar).float().pow(2).mean()
        return off + 0.01 * spread, -10 * off.detach().log10()
