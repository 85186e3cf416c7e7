"""Options that make a large model fit into memory, or run faster."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, final

import torch

from dreamsampler.models.errors import ModelError

Offload: TypeAlias = Literal["model", "sequential"]


@final
@dataclass(frozen=True)
class MemoryOptions:
    """How the networks of a model are stored and run.

    Args:
        offload: "model" keeps every network in main memory and brings it to the device while it
            runs; "sequential" does so with every layer, slower and smaller still. None keeps all
            on the device.
        release_text_encoders: free the text encoders at the first call of the network; a prompt
            that was not encoded by then loads them from the disk again. A driven pipeline is loaded
            without them if its call has prompt_embeds.
        tiling: side of the tiles, in pixels, in which pictures are encoded and decoded.
        gradient_checkpointing: compute activations again in the backward pass instead of keeping
            them.
        channels_last: the memory layout that 16-bit convolutions are fastest in; None takes it for
            16-bit networks that have any.
        compile: torch.compile the network at its first use.
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

    def apply(self, parts: Mapping[str, Any], denoiser: str, device: torch.device | None) -> None:
        """Freeze networks, given by their names, set their layout, and bring them to a device.

        None leaves them where they are.
        """
        for name, part in parts.items():
            part.eval().requires_grad_(False)
            if name in (denoiser, "vae") and self._has_channels_last(part):
                part.to(memory_format=torch.channels_last)
            if self.gradient_checkpointing and not name.startswith("text_encoder"):
                if not getattr(part, "_supports_gradient_checkpointing", False):
                    raise ModelError(
                        f"the {name} ({type(part).__name__}) has no gradient checkpointing: leave "
                        "it out" + (", or pass tiling" if name == "vae" else "")
                    )
                part.enable_gradient_checkpointing()
            if self.compile and name == denoiser:
                part.compile()
        if self.offload is None:
            for part in parts.values() if device is not None else ():
                part.to(device)
            return
        from accelerate import cpu_offload, cpu_offload_with_hook

        before: Any = None  # each network sends the one before it back to main memory
        for name in sorted(parts, key=lambda name: (name == "vae", name == denoiser)):
            if self.offload == "sequential":
                cpu_offload(parts[name], device, offload_buffers=True)
            else:
                _, before = cpu_offload_with_hook(parts[name], device, prev_module_hook=before)

    def apply_to(self, pipe: Any, device: torch.device) -> None:
        """The same for a diffusers pipeline, offloaded and tiled by its own means."""
        parts = {n: p for n, p in pipe.components.items() if isinstance(p, torch.nn.Module)}
        if self.release_text_encoders and any(name.startswith("text_encoder") for name in parts):
            raise ModelError(
                f"{type(pipe).__name__} encodes prompts itself, so its text encoders cannot be "
                "released: pass offload='model', or prompts that are encoded already as "
                "prompt_embeds"
            )
        denoiser = next(n for n in ("unet", "transformer", *parts) if n in parts)
        replace(self, offload=None).apply(parts, denoiser, None if self.offload else device)
        if self.offload == "model":
            pipe.enable_model_cpu_offload(device=device)
        elif self.offload == "sequential":
            pipe.enable_sequential_cpu_offload(device=device)
        if self.tiling is not None:
            _tile(pipe, self.tiling)
        pipe.set_progress_bar_config(disable=True)

    def _has_channels_last(self, part: Any) -> bool:
        if any(weight.ndim > 4 for weight in part.parameters()):  # videos have no such layout
            return False
        if self.channels_last is not None:
            return self.channels_last
        return part.dtype != torch.float32  # in float32 it gains nothing and rounds differently


def _tile(pipe: Any, side: int) -> None:
    """Have a pipeline's autoencoder work in tiles of a side, by its own means."""
    vae: Any = getattr(pipe, "vae", None)
    if not hasattr(vae, "enable_tiling"):
        raise ModelError(f"the autoencoder of {type(pipe).__name__} has no tiling: leave it out")
    if "tile_sample_min_height" in inspect.signature(vae.enable_tiling).parameters:
        vae.enable_tiling(tile_sample_min_height=side, tile_sample_min_width=side)
        return
    vae.enable_tiling()
    vae.tile_sample_min_size = side
    vae.tile_latent_min_size = side // 2 ** (len(vae.config.block_out_channels) - 1)
