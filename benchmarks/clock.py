"""Seconds and memory of a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

SCALE = 5.0
"""guidance_scale of every comparison"""


class Device:
    """Where it runs: how to wait for it, and how much memory it has held."""

    def __init__(self, name: str) -> None:
        self.name, self.cuda = name, name.startswith("cuda")

    def wait(self) -> None:
        """Until everything that was asked of it is done."""
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, run: Callable[[], Any]) -> float:
        """How long something takes, with nothing left to do before and after."""
        self.wait()
        start = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - start

    def peak(self, run: Callable[[], Any]) -> float:
        """The most memory that tensors held meanwhile, in GiB; 0 where nobody counts."""
        if not self.cuda:
            run()
            return 0.0
        torch.cuda.empty_cache()
        self.wait()
        torch.cuda.reset_peak_memory_stats()
        run()
        self.wait()
        return torch.cuda.max_memory_allocated() / 2**30


def clock_of(prior: Any) -> Callable[[], float]:
    """Seconds so far: of the processor; of the wall where a GPU computes, with nothing left to do.

    Args:
        prior: the model; one that is nowhere is on the processor.
    """
    where = getattr(prior, "device", None)
    if getattr(where, "type", "cpu") == "cpu":
        return time.process_time
    device = Device(str(where))

    def step() -> float:
        device.wait()
        return time.perf_counter()

    return step
