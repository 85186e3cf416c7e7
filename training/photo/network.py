"""The network and the noise schedule of the photograph prior, in one place."""

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor, nn

PATCH = 2
"""Pixels of a 2 x 2 square are channels of one cell: orthonormal, so white noise stays white."""
STEPS = 1000
SCHEDULER = {
    "num_train_timesteps": STEPS,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": True,
}


def scheduler() -> DDIMScheduler:
    """Linear betas: sigma runs from 0.005 to 79 of a picture's [0, 1]."""
    return DDIMScheduler(**SCHEDULER)


def build() -> UNet2DModel:
    """A UNet of three levels without attention: 3.4 M parameters, any size in steps of 8 px."""
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=32,
        in_channels=3 * PATCH**2,
        out_channels=3 * PATCH**2,
        block_out_channels=(64, 96, 128),
        layers_per_block=1,
        norm_num_groups=16,
        down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
        add_attention=False,
    )


def sigmas() -> Tensor:
    """Noise to signal of every timestep, in units of [-1, 1]: [1000]."""
    alpha_bar = scheduler().alphas_cumprod
    return ((1 - alpha_bar) / alpha_bar).sqrt()


def timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Timesteps whose log sigma is normal about 0.13 of [0, 1] (15 % of them uniform): [count]."""
    log = sigmas().log()
    target = torch.randn(count, generator=generator) * 1.2 + torch.tensor(0.26).log()
    near = torch.searchsorted(log, target).clamp(0, STEPS - 1)
    uniform = torch.randint(STEPS, (count,), generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.15, uniform, near)


def loss_of(network: nn.Module, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of v = a noise - s x, by picture.

    Args:
        network: the UNet.
        x: clean pictures in [-1, 1]: [b, 3, h, w].
        t: timesteps: [b].
        noise: white: [b, 3, h, w].
    """
    alpha_bar = scheduler().alphas_cumprod[t].view(-1, 1, 1, 1)
    a, s = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    cells = F.pixel_unshuffle(a * x + s * noise, PATCH)
    target = F.pixel_unshuffle(a * noise - s * x, PATCH)
    found = network(cells.contiguous(memory_format=torch.channels_last), t).sample
    return (found.float() - target).square().mean((1, 2, 3))


@torch.no_grad()
def denoise(network: nn.Module, y: Tensor, sigma: float) -> Tensor:
    """Tweedie's mean of pictures with white noise.

    Args:
        network: the UNet.
        y: pictures in [0, 1] plus noise, sides multiples of 8: [b, 3, h, w].
        sigma: of the noise, in units of [0, 1].
    """
    ratio = sigmas()
    level = torch.tensor(2 * sigma).clamp(ratio[0], ratio[-1])
    above = int(torch.searchsorted(ratio, level).clamp(1, STEPS - 1))
    low, high = ratio[above - 1].log(), ratio[above].log()
    t = above - 1 + (level.log() - low) / (high - low)
    a = (1 + level**2).rsqrt()
    s = level * a
    x = a * (2 * y - 1)
    v = network(F.pixel_unshuffle(x, PATCH), t.expand(len(y))).sample
    return (a * x - s * F.pixel_shuffle(v.float(), PATCH) + 1) / 2
