"""Seconds and memory of a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


class Device:
    """A CPU or a GPU: waits for it, reads its clock and its memory."""

    def __init__(self, name: str) -> None:
        self.name, self.cuda = name, name.startswith("cuda")

    def clock(self) -> float:
        """Seconds so far: of the processor; of the wall on a GPU, once it has finished."""
        if not self.cuda:
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def seconds(self, run: Callable[[], Any]) -> float:
        """How long a call takes."""
        start = self.clock()
        run()
        return self.clock() - start

    def peak(self, run: Callable[[], Any]) -> float:
        """The most memory that tensors took meanwhile, in GiB; 0 on a CPU."""
        if not self.cuda:
            run()
            return 0.0
        torch.cuda.empty_cache()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 2**30


def clock_of(prior: Any) -> Callable[[], float]:
    """The clock of the device of a model; of a model without one, that of the processor."""
    device = getattr(prior, "device", None)
    on_cpu = getattr(device, "type", "cpu") == "cpu"
    return time.process_time if on_cpu else Device(str(device)).clock
