"""Whether a network's answers are numbers, without making a GPU wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.models.errors import NetworkError

LATE = ("cuda",)
"""Devices on which a look at a number waits for all that was asked before."""


@final
@dataclass(frozen=True)
class _Sum:
    """The sum of an answer, on its way to main memory.

    Args:
        value: finite if all of the answer is; there once `arrived` is.
        arrived: an event of the device; None where the value is there already.
        shown: what the network was shown.
        what: which network answered, and where.
        dtype: what it computes in.
    """

    value: Tensor
    arrived: Any
    shown: Tensor
    what: str
    dtype: torch.dtype

    def judge(self) -> None:
        """Raise NetworkError unless every number was finite."""
        if self.arrived is not None:
            self.arrived.synchronize()
        if self.value.isfinite():
            return
        name = str(self.dtype).removeprefix("torch.")
        if not self.shown.isfinite().all():
            do = "it was shown NaN or infinity: look at the step before (scale too high?)"
        elif self.dtype == torch.float16:
            do = "float16 overflows in some models: load this one with dtype bfloat16 or float32"
        else:
            do = "the weights are damaged or do not fit their configuration: load the model again"
        raise NetworkError(f"{self.what} answered with NaN or infinity in {name}; {do}")


@final
class Watch:
    """Raises NetworkError for answers with NaN or infinity in them.

    One reduction an answer. On a CPU it is looked at at once. On CUDA that would wait for the
    network and leave the device idle while the next step is prepared: there an answer of the
    denoiser is looked at when the next one is under way, and before anything is encoded or decoded.
    """

    def __init__(self) -> None:
        self._due: list[_Sum] = []

    def see(self, answer: Tensor, shown: Tensor, what: str, dtype: torch.dtype) -> None:
        """Look at the answer before this one, and at this one as soon as that costs nothing."""
        step = _sent(answer, shown, what, dtype)
        self.settle()  # if it raises, what comes after the failure is forgotten with it
        self._due = [step]
        if answer.device.type not in LATE:
            self.settle()

    def settle(self) -> None:
        """Look at every answer."""
        due, self._due = self._due, []
        for each in due:
            each.judge()


def _sent(answer: Tensor, shown: Tensor, what: str, dtype: torch.dtype) -> _Sum:
    """The sum of an answer, sent off."""
    total = answer.detach().sum(dtype=torch.float32)
    if total.device.type != "cuda":
        return _Sum(total, None, shown, what, dtype)
    value = torch.empty((), dtype=torch.float32, pin_memory=True)
    value.copy_(total, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record(torch.cuda.current_stream(total.device))
    return _Sum(value, arrived, shown, what, dtype)
