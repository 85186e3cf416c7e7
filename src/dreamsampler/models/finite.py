"""Whether a network's outputs are finite, without making a GPU wait for the answer."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from dreamsampler.models.errors import NetworkError

ASYNCHRONOUS = ("cuda",)
"""Devices on which reading a number waits for the whole queue."""


class _Sum(NamedTuple):
    """The sum of an output, finite if all of it is; valid once an event of the device happened."""

    value: Tensor
    event: Any
    inputs: Tensor
    name: str
    dtype: torch.dtype


@final
class FiniteCheck:
    """Raises NetworkError for outputs with NaN or infinity in them.

    One reduction an output. On a CPU it is read at once. On CUDA that would wait for the network
    and leave the device idle while the next step is prepared: there an output of the denoiser is
    checked when the next one is under way, and before anything is encoded or decoded.
    """

    def __init__(self) -> None:
        self._pending: _Sum | None = None

    def add(self, output: Tensor, inputs: Tensor, name: str, dtype: torch.dtype) -> None:
        """Check the output before this one, and this one as soon as that costs nothing."""
        total = output.detach().sum(dtype=torch.float32)
        event = None
        if total.device.type == "cuda":
            value = torch.empty((), dtype=torch.float32, pin_memory=True)
            value.copy_(total, non_blocking=True)
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(total.device))
            total = value
        self.flush()  # if it raises, this output is not pending
        self._pending = _Sum(total, event, inputs, name, dtype)
        if output.device.type not in ASYNCHRONOUS:
            self.flush()

    def flush(self) -> None:
        """Check the pending output."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if pending.event is not None:
            pending.event.synchronize()
        if pending.value.isfinite():
            return
        dtype = str(pending.dtype).removeprefix("torch.")
        if not pending.inputs.isfinite().all():
            do = "its input had NaN or infinity in it: check the step before (scale too high?)"
        elif pending.dtype == torch.float16:
            do = "float16 overflows in some models: load this one with dtype bfloat16 or float32"
        else:
            do = "the weights are damaged or do not fit their configuration: load the model again"
        raise NetworkError(f"the output of {pending.name} is NaN or infinity in {dtype}; {do}")
