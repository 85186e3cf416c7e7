"""Devices and precisions: which there are, and where a module computes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from dreamsampler.models.errors import ModelError

DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


def choose_device(device: str | torch.device | None) -> torch.device:
    """A device by its name, if it is available; None for the best one.

    Raises:
        ModelError: no such device.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device is None:
        return torch.device(next(n for n in ("cuda", "mps", "cpu") if available[n]))
    try:
        chosen = torch.device(device)
    except (RuntimeError, ValueError):
        raise ModelError(
            f"device is {str(device)!r}, but must be cpu, cuda, cuda:0, ..., or mps"
        ) from None
    if not available.get(chosen.type, True):
        raise ModelError(
            f"device is {str(chosen)!r}, but this PyTorch sees none: pass "
            f"{' or '.join(repr(name) for name, found in available.items() if found)}"
        )
    return chosen


def choose_dtype(
    dtype: str | torch.dtype | None,
    device: torch.device,
    small: bool = False,
    half: torch.dtype = torch.float16,
) -> torch.dtype:
    """A dtype by its name, if the device supports it well; None or "auto" for its default.

    Args:
        dtype: its name, or itself.
        small: a model so small that 16 bits save nothing.
        half: the 16-bit dtype that the model was published in.

    Raises:
        ModelError: no such dtype, or float16 on a CPU.
    """
    if dtype is None or dtype == "auto":
        return half if device.type == "cuda" and not small else torch.float32
    chosen = DTYPES.get(str(dtype).removeprefix("torch."))
    if chosen is None:
        raise ModelError(f"dtype is {str(dtype)!r}, but must be float32, float16, bfloat16 or auto")
    if chosen == torch.float16 and device.type == "cpu":
        raise ModelError(
            "dtype is float16, which a CPU is slow and inexact at: pass bfloat16 (fast, half the "
            "memory) or float32"
        )
    return chosen


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16, and PyTorch may use them."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    found = any(getattr(torch.cpu, name, bool)() for name in names)
    return found and torch.backends.cpu.get_cpu_capability() == "AVX512"


def device_of(module: nn.Module) -> torch.device:
    """Where a module computes; if accelerate keeps its weights elsewhere, a hook knows."""
    first = next(module.parameters()).device
    parts = module.modules() if first.type == "meta" else [module]
    hooks = (getattr(part, "_hf_hook", None) for part in parts)
    devices = (getattr(hook, "execution_device", None) for hook in hooks)
    return torch.device(next((device for device in devices if device is not None), first))


def move(networks: Iterable[nn.Module], device: torch.device, dtype: torch.dtype) -> None:
    """Move networks; what a class keeps in float32 stays in it."""
    for network in networks:
        network.to(device, dtype)
        exact = set(getattr(network, "_keep_in_fp32_modules", None) or ())
        for name, module in network.named_modules():
            if exact.intersection(name.split(".")):
                module.to(torch.float32)


def memory_of(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where that cannot be found out."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    if device.type != "cpu":
        return None
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line[:13] == "MemAvailable:")
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
