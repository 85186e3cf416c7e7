"""What a model takes, from its configuration alone: no weight is read, no memory of its size used.

The networks are built and run on PyTorch's "meta" device, where tensors have shapes and no
numbers; the memory of the tensors that are alive at a time is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.files import one_line
from dreamsampler.maths import Latent, Level
from dreamsampler.models.codec import Codec
from dreamsampler.models.driven.levels import levels_of
from dreamsampler.models.driven.pipeline import Pipeline
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family, TextInputs
from dreamsampler.models.folder import (
    check_configs,
    class_name,
    class_of,
    is_text,
    native_family,
    networks,
    part_dtype,
)
from dreamsampler.models.libraries import quiet
from dreamsampler.models.memory_count import MemoryCount, count_memory
from dreamsampler.models.pipe import native
from dreamsampler.models.pipeline import load_pipeline

_TOKENS = 512
"""Tokens of a prompt that a budget assumes for a transformer; a UNet has CLIP's 77."""

_WORKSPACE = 1.75
"""Workspace of an autoencoder's convolutions beside their outputs: measured on an H200 in float16,
1.75 times in all for one picture of 512 or 1024 pixels, 1.35 times for eight."""


@final
@dataclass(frozen=True)
class Part:
    """One network: how many parameters it has, and the bytes of its weights."""

    name: str
    parameters: int
    memory: int

    @staticmethod
    def of(name: str, module: nn.Module) -> Part:
        """That of a module."""
        weights = list(module.parameters())
        memory = sum(weight.numel() * weight.element_size() for weight in weights)
        return Part(name, sum(weight.numel() for weight in weights), memory)


@final
@dataclass(frozen=True)
class Budget:
    """What a model takes, in bytes beyond its weights where nothing else is said.

    Args:
        title: its family.
        parts: its networks.
        network: one forward of the denoiser; with its backward, if gradients are taken.
        encode: one picture to latent.
        decode: one latent to picture; with its backward, if gradients are taken.
    """

    title: str
    parts: tuple[Part, ...]
    network: int
    encode: int
    decode: int

    @property
    def weights(self) -> int:
        """Of all parts."""
        return sum(part.memory for part in self.parts)

    def peak(self, *, offload: str | None = None, release_text_encoders: bool = False) -> int:
        """The most memory of the device that is in use at a time, of weights and activations.

        Args:
            offload: see `MemoryOptions`; with "sequential" a sixteenth of a network, as its
                largest layer, is assumed to be on the device.
            release_text_encoders: see `MemoryOptions`.
        """
        encoders = [part.memory for part in self.parts if is_text(part.name)]
        vae = sum(part.memory for part in self.parts if part.name == "vae")
        denoiser = self.weights - sum(encoders) - vae
        coding = max(self.encode, self.decode)
        if offload is not None:
            share = 1 if offload == "model" else 1 / 16
            text = share * max(encoders, default=0)
            return int(max(share * denoiser + self.network, share * vae + coding, text))
        if release_text_encoders:
            return max(self.weights, denoiser + vae + max(self.network, coding))
        return self.weights + max(self.network, coding)


@final
class MetaModel:
    """A model's networks on the meta device, and its family.

    Args:
        folder: of the model; only its small files are read.
        dtype: what the networks would compute in; None for 16 bits.

    Raises:
        ModelError: the folder's configuration is incomplete, or of a pipeline that cannot be used.
    """

    def __init__(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        check_configs(folder)
        kind = native_family(folder)
        self.dtype = dtype or (torch.bfloat16 if kind is None else kind.half)
        self.title = class_name(folder) if kind is None else kind.title
        with quiet():
            self.parts: dict[str, Any] = {
                name: _on_meta(folder, name).to(part_dtype(folder, name, self.dtype))
                for name in networks(folder)
            }
            pipe = load_pipeline(folder, dtype=self.dtype, parts=self.parts)
            self.family: Family = native(pipe) or _MetaFamily(pipe, self.factor)

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side."""
        return Codec(self.parts["vae"]).factor if "vae" in self.parts else 1

    def budget(
        self,
        rows: int,
        height: int,
        width: int,
        *,
        images: int = 1,
        gradients: bool = False,
        gradient_checkpointing: bool = False,
        tiling: int | None = None,
    ) -> Budget:
        """What runs of a size, in pixels, take.

        Args:
            rows: images times prompts in one forward of the network.
            images: pictures that are encoded or decoded at a time.
            gradients: whether the loop takes gradients through network and decoder.
            gradient_checkpointing, tiling: see `MemoryOptions`; one tile is counted, and the sums.
        """
        codec, channels = self.family.codec(self.parts, None), self.family.latent_channels
        tile = [min(side, tiling or side) for side in (height, width)]
        for name in ("unet", "transformer", "vae"):
            if name in self.parts and gradient_checkpointing:
                self.parts[name].enable_gradient_checkpointing()
        one = torch.zeros(images, channels, *(n // codec.factor for n in tile), device="meta")
        x = torch.zeros(images, 3, *tile, device="meta")
        # tiles are added to a sum and a sum of weights, and divided into a third tensor
        pixels = height * width if tile != [height, width] else 0
        latents = images * channels * pixels // codec.factor**2
        return Budget(
            self.title,
            tuple(Part.of(name, module) for name, module in self.parts.items()),
            self._network(rows, height, width, gradients),
            int(_WORKSPACE * _peak(codec.encode, x, False)) + 8 * latents,
            int(_WORKSPACE * _peak(codec.decode, one, gradients)) + 4 * (6 * images + 1) * pixels,
        )

    def _network(self, rows: int, height: int, width: int, gradients: bool) -> int:
        """One forward of the denoiser, with its backward if gradients are taken."""
        if isinstance(self.family, _MetaFamily):
            return self.family.peak(rows, (height, width), gradients)
        sides = (height // self.factor, width // self.factor)
        z = torch.zeros(rows, self.family.latent_channels, *sides, device="meta")
        inputs = self._inputs(rows)

        def forward(z: Tensor) -> Tensor:
            return self.family.forward(z.to(self.dtype), Level(0.5, 0.5, 0.5), inputs)

        return _peak(forward, z, gradients)

    def _inputs(self, rows: int) -> Any:
        """What a native family's forward gets under some prompts, or classes."""
        config, meta = self.family.network.config, torch.device("meta")
        if "text_encoder" not in self.parts:
            classes = config.num_class_embeds
            return torch.zeros(rows, dtype=torch.long, device=meta) if classes else None
        text = torch.zeros(rows, 77, config.cross_attention_dim, device=meta, dtype=self.dtype)
        pooled = None
        if "text_encoder_2" in self.parts:
            pooled = text.new_zeros(rows, self.parts["text_encoder_2"].config.projection_dim)
        scales = [3.5] * rows if self.family.guidance == "embedded" else None
        return TextInputs(text, pooled, scales, None)


@final
class _MetaFamily(Family):
    """The sizes of a pipeline that is asked through its own call, and its network's memory."""

    pipelines = ()
    tokenizers, encoders = {}, {}

    def __init__(self, pipe: Any, factor: int) -> None:
        self._pipeline = Pipeline(pipe, {})
        self.network = self._pipeline.part(self._pipeline.denoiser)
        config = self.network.config
        patch = config.get("patch_size")
        self.cells = patch if isinstance(patch, int) and patch > 1 else 2
        side = config.get("sample_size")
        self.native_cells = side if isinstance(side, int) else 1024 // factor
        self.latent_channels = _latent_channels(pipe.vae)
        levels = levels_of(pipe.scheduler, (self.native_cells // self.cells) ** 2)
        self.schedule, self.target = levels.schedule, levels.target
        self.guidance = "embedded" if config.get("guidance_embeds") else "cfg"
        self.references = self._pipeline.references

    def encode_prompt(self, prompt: str) -> Any:
        """A plan reads no prompt and runs no network."""
        raise NotImplementedError

    def forward(self, z: Latent, level: Level, inputs: Any) -> Tensor:
        """A plan reads no prompt and runs no network."""
        raise NotImplementedError

    def peak(self, rows: int, size: tuple[int, int], gradients: bool) -> int:
        """Memory of one forward: of the inputs that the pipeline's call gives its network.

        Where that call needs numbers, an estimate: 16 numbers a token, channel and kept layer.
        """
        record: list[Any] = []
        try:
            with quiet(), torch.no_grad(), MemoryCount():
                call = self._pipeline.arguments(["a"] * rows, size, 2)
                self._pipeline.open(call, record=record).close()
            args, options = record[0]
            given = {**dict(enumerate(args)), **options}
            name = next(n for n, v in given.items() if isinstance(v, Tensor) and v.ndim > 2)

            def forward(z: Tensor) -> Tensor:
                inputs = {**given, name: z}
                plain = [inputs.pop(n) for n in range(len(args))]
                return self.network(*plain, **{**inputs, "return_dict": False})[0]

            return _peak(forward, given[name], gradients)
        except (ModelError, RuntimeError, IndexError, StopIteration):
            weights = [w for w in self.network.parameters() if w.ndim == 2]
            width = min(max(w.shape) for w in weights if w.numel() > 2**10) if weights else 1
            stacks = [m for m in self.network.modules() if isinstance(m, nn.ModuleList)]
            layers = max((len(stack) for stack in stacks), default=1)
            tokens = size[0] * size[1] // (self._pipeline.pipe.vae_scale_factor * self.cells) ** 2
            each = (tokens + _TOKENS) * width * self.network.dtype.itemsize
            return 16 * rows * each * (layers if gradients else 1)


def _latent_channels(vae: Any) -> int:
    return vae.config.get("latent_channels") or vae.config.z_dim


def _on_meta(folder: Path, part: str) -> nn.Module:
    """A network on the meta device, from its configuration."""
    cls = class_of(folder, part)
    try:
        with torch.device("meta"):
            if hasattr(cls, "config_class"):
                config = cls.config_class.from_pretrained(folder / part, local_files_only=True)
                return cls(config).eval()
            return cls.from_config(cls.load_config(folder / part, local_files_only=True)).eval()
    except Exception as error:
        raise ModelError(f"{folder / part}/config.json: {one_line(error)}") from None


def _peak(run: Callable[[Tensor], Tensor], given: Tensor, gradients: bool) -> int:
    """The most bytes alive while a function runs on meta tensors."""
    with count_memory() as count, torch.set_grad_enabled(gradients):
        inputs = given.clone().requires_grad_(gradients)
        output = run(inputs)
        if gradients:
            torch.autograd.grad(output.float().sum(), inputs)
    return count.peak
