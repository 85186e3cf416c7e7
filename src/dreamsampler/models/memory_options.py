"""What makes a large model fit, or go faster: each does what it says, to modules of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import torch

from dreamsampler.models.errors import ModelError

Offload: TypeAlias = Literal["model", "sequential"]


@final
@dataclass(frozen=True)
class MemoryOptions:
    """How the networks of a model are kept and run.

    Args:
        offload: "model" keeps every network in main memory and brings it to the device while it is
            asked; "sequential" does so with every layer, slower and smaller still. None keeps all
            on the device.
        release_text_encoders: forget the text encoders once the network is asked; a prompt that
            was not read by then reads them from the disk again.
        tiling: side of the tiles, in pixels, in which pictures are encoded and decoded.
        gradient_checkpointing: compute a network's inside again on the way back, instead of
            keeping it.
        channels_last: the memory layout that convolutions of 16 bits like; None takes it for
            networks of 16 bits that have any.
        compile: let torch.compile make kernels for the network at its first use.
    """

    offload: Offload | None = None
    release_text_encoders: bool = False
    tiling: int | None = None
    gradient_checkpointing: bool = False
    channels_last: bool | None = None
    compile: bool = False

    def check(self) -> None:
        """Raise ModelError where two of them exclude each other."""
        if self.offload not in (None, "model", "sequential"):
            raise ModelError(f"offload is {self.offload!r}, but must be 'model' or 'sequential'")
        if self.compile and self.offload == "sequential":
            raise ModelError(
                "compile makes one program of a network whose layers offload='sequential' moves "
                "one by one: pass offload='model', or leave compile out"
            )

    def settle(self, parts: Mapping[str, Any], network: str, device: torch.device) -> None:
        """Freeze networks, lay them out, and bring them to where they belong.

        Args:
            parts: name -> network; others are left alone.
            network: the name of the denoiser.
            device: where they compute.
        """
        for name, part in parts.items():
            part.eval().requires_grad_(False)
            if self._channels_last(name, part, network):
                part.to(memory_format=torch.channels_last)
            if self.gradient_checkpointing and not name.startswith("text_encoder"):
                self._checkpoint(name, part)
            if self.compile and name == network:
                part.compile()
        if self.offload is None:
            for part in parts.values():
                part.to(device)
        else:
            self._hook(parts, network, device)

    def _channels_last(self, name: str, part: Any, network: str) -> bool:
        if name not in (network, "vae"):
            return False
        if any(weight.ndim > 4 for weight in part.parameters()):  # films have no such layout
            return False
        if self.channels_last is not None:
            return self.channels_last
        return part.dtype != torch.float32  # in float32 it gains nothing and rounds differently

    def _checkpoint(self, name: str, part: Any) -> None:
        if not getattr(part, "_supports_gradient_checkpointing", False):
            raise ModelError(
                f"the {name} ({type(part).__name__}) cannot compute its inside again: leave "
                "gradient_checkpointing out" + (", or pass tiling" if name == "vae" else "")
            )
        part.enable_gradient_checkpointing()

    def _hook(self, parts: Mapping[str, Any], network: str, device: torch.device) -> None:
        """Accelerate's hooks; with "model" each network sends the one before it home."""
        from accelerate import cpu_offload, cpu_offload_with_hook

        before: Any = None
        order = sorted(parts, key=lambda name: (name == "vae", name == network))
        for name in order:
            if self.offload == "sequential":
                cpu_offload(parts[name], device, offload_buffers=True)
            else:
                _, before = cpu_offload_with_hook(parts[name], device, prev_module_hook=before)
