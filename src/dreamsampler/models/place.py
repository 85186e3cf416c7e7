"""Moving a loaded prior: to another device, to another precision."""

from __future__ import annotations

from typing import Any

import torch

from dreamsampler.models.device import choose_device, choose_dtype
from dreamsampler.models.errors import ModelError
from dreamsampler.models.libraries import quiet
from dreamsampler.models.network import NetworkPrior


def move(
    prior: NetworkPrior,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> NetworkPrior:
    """Bring the networks of a prior to a device and a precision, in place, as `Module.to` does.

    Args:
        prior: its networks are moved, also those it shares with a pipeline (`from_pipe`).
        device: None leaves it.
        dtype: float32, float16 or bfloat16; None leaves it.

    Returns:
        The same prior.

    Raises:
        ModelError: no such device, a precision that it is bad at, or networks that offloading
            moves already.

    Example:
        >>> from dreamsampler import from_pretrained
        >>> move(from_pretrained(device="cpu"), dtype="bfloat16").dtype
        torch.bfloat16
    """
    where = prior.device if device is None else choose_device(device)
    kind = prior.dtype if dtype is None else choose_dtype(dtype, where)
    if prior.dtype == torch.float16:
        kind = choose_dtype(kind, where)  # float16 does not go to a CPU
    small = None if prior._small is None else prior._small.vae
    parts: list[Any] = [prior.network, prior.vae, *prior.family.encoders.values()]
    parts += [] if small is None else [small]
    if any(hasattr(module, "_hf_hook") for part in parts for module in part.modules()):
        raise ModelError("offloading brings these networks to their device: leave them there")
    with quiet():
        for part in parts:
            part.to(where, kind)
            _keep_exact(part)
    prior._conditions.clear()  # they lie where the network was
    return prior


def _keep_exact(part: Any) -> None:
    """Layers that their network's authors keep in float32 go back to it."""
    names = set(getattr(part, "_keep_in_fp32_modules", None) or ())
    for name, module in part.named_modules():
        if names.intersection(name.split(".")):
            module.to(torch.float32)
