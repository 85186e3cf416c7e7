"""What a model takes, from its configuration alone: no weight is read, no memory of its size used.

The networks are built on PyTorch's "meta" device, where tensors have shapes and no numbers, and
asked there; every tensor that is alive at a time is counted.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dreamsampler.maths import Level
from dreamsampler.models.codec import Codec
from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.family import Family, FamilyKind, TextCondition, stack
from dreamsampler.models.folder import (
    check_configs,
    class_of,
    is_text,
    load_small,
    networks,
    part_dtype,
)
from dreamsampler.models.libraries import quiet
from dreamsampler.models.weights import read_json

_WORDS = 512
"""Tokens of a prompt that a transformer is asked for in a budget; a UNet has CLIP's 77."""


_WORKSPACE = 1.75
"""What convolutions of an autoencoder take for themselves on top of their results: measured on an
H200 in float16, 1.75 times in all for one picture of 512 or 1024 pixels, 1.35 times for eight."""
_ATTENDING = threading.RLock()
"""One thread at a time counts."""


@final
@dataclass(frozen=True)
class Part:
    """One network.

    Args:
        name: unet, transformer, vae, text_encoder, ...
        parameters: how many numbers it was trained to.
        memory: of its weights, in bytes.
    """

    name: str
    parameters: int
    memory: int


@final
@dataclass(frozen=True)
class Budget:
    """What a model takes, in bytes beyond its weights where nothing else is said.

    Args:
        title: its family.
        parts: its networks.
        network: one forward of the denoiser; with its way back, if gradients are taken.
        encode: one picture to latent.
        decode: one latent to picture; with its way back, if gradients are taken.
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

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts)

    def peak(self, *, offload: str | None = None, release_text_encoders: bool = False) -> int:
        """The most memory of the device that is in use at a time, of weights and activations.

        Args:
            offload: see `Means`; "sequential" is counted as if a network's largest layer were all
                of it that is there, a sixteenth.
            release_text_encoders: see `Means`.
        """
        text = sum(part.memory for part in self.parts if is_text(part.name))
        vae = sum(part.memory for part in self.parts if part.name == "vae")
        denoiser = self.weights - text - vae
        coding = max(self.encode, self.decode)
        if offload is not None:
            share = 1 if offload == "model" else 1 / 16
            one = max((p.memory for p in self.parts if is_text(p.name)), default=0)
            return int(max(share * denoiser + self.network, share * vae + coding, share * one))
        if release_text_encoders:
            return max(self.weights, denoiser + vae + max(self.network, coding))
        return self.weights + max(self.network, coding)


@final
class Skeleton:
    """A model's networks without numbers, and its family.

    Args:
        folder: of the model; only its small files are read.
        dtype: what the networks would compute in; None for the family's 16 bits.

    Raises:
        ModelError: the folder's configuration is incomplete or of no family.
    """

    def __init__(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        self.kind: FamilyKind = check_configs(folder)
        self.dtype = self.kind.half if dtype is None else dtype
        with quiet():
            self.parts: dict[str, Any] = {
                name: _empty(folder, self.kind, name).to(part_dtype(folder, name, self.dtype))
                for name in networks(self.kind, folder)
            }
            small = load_small(folder, self.kind)
        settings = read_json(folder / "model_index.json")
        self.family: Family = self.kind({**self.parts, **small}, settings)

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side."""
        return Codec(self.parts["vae"]).factor

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
        """What runs of a size take.

        Args:
            rows: images times prompts in one forward of the network.
            height: of the picture in the model, in pixels.
            width: likewise.
            images: pictures that are encoded or decoded at a time.
            gradients: whether the loop takes gradients through network and decoder.
            gradient_checkpointing: see `Means`.
            tiling: see `Means`; one tile is counted, and what all of them are laid on.
        """
        codec = Codec(self.parts["vae"])
        tile = [min(side, tiling or side) for side in (height, width)]
        for name in ("unet", "transformer", "vae"):
            part = self.parts.get(name)
            if part is not None and gradient_checkpointing:
                part.enable_gradient_checkpointing()
        h, w = height // codec.factor, width // codec.factor
        z = torch.zeros(rows, self.family.latent_channels, h, w, device="meta")
        cells = [side // codec.factor for side in tile]
        one = torch.zeros(images, self.family.latent_channels, *cells, device="meta")
        x = torch.zeros(images, 3, *tile, device="meta")
        # what tiles are laid on: the sum, its weights, and their quotient
        pixels = height * width if tile != [height, width] else 0
        latents = images * self.family.latent_channels * pixels // codec.factor**2
        told = stack([self._told()], [rows], torch.device("meta"), self.dtype)

        def ask(z: Tensor) -> Tensor:
            return self.family.ask(z.to(self.dtype), Level(0.5, 0.5, 0.5), told)

        return Budget(
            self.kind.title,
            tuple(_part(name, module) for name, module in self.parts.items()),
            _most(ask, z, gradients),
            int(_WORKSPACE * _most(codec.encode, x, False)) + 8 * latents,
            int(_WORKSPACE * _most(codec.decode, one, gradients)) + 4 * (6 * images + 1) * pixels,
        )

    def _told(self) -> TextCondition:
        """A prompt's numbers, by what the networks' configurations say of their shape."""
        config = self.family.network.config
        wide = next(
            config[key]
            for key in ("joint_attention_dim", "caption_channels", "cap_feat_dim",
                        "cross_attention_dim")
            if config.get(key) is not None
        )  # fmt: skip
        pooled = config.get("pooled_projection_dim")
        if pooled is None and "text_encoder_2" in self.parts:
            pooled = self.parts["text_encoder_2"].config.projection_dim
        words = 77 if "unet" in self.parts else _WORDS
        empty = torch.zeros(1, words, wide, device="meta")
        told = TextCondition("", empty)
        if pooled is not None:
            told = replace(told, pooled=torch.zeros(1, pooled, device="meta"))
        return replace(told, told=3.5) if self.family.guidance == "told" else told


def _empty(folder: Path, kind: FamilyKind, part: str) -> nn.Module:
    """A network without numbers, from its configuration."""
    cls = class_of(folder, kind, part)
    try:
        with torch.device("meta"):
            if is_text(part):
                config = cls.config_class.from_pretrained(folder / part, local_files_only=True)
                return cls(config).eval()
            return cls.from_config(cls.load_config(folder / part, local_files_only=True)).eval()
    except Exception as error:
        raise ModelError(f"{folder / part}/config.json: {one_line(error)}") from None


def _part(name: str, module: nn.Module) -> Part:
    weights = list(module.parameters())
    memory = sum(weight.numel() * weight.element_size() for weight in weights)
    return Part(name, sum(weight.numel() for weight in weights), memory)


def _most(run: Callable[[Tensor], Tensor], shown: Tensor, gradients: bool) -> int:
    """The most bytes alive while something runs on tensors without numbers."""
    with counted() as count, torch.set_grad_enabled(gradients):
        free = shown.clone().requires_grad_(gradients)
        made = run(free)
        if gradients:
            torch.autograd.grad(made.float().sum(), free)
    return count.most


@contextmanager
def counted(shapes_only: bool = True) -> Iterator[_Alive]:
    """Inside, bytes of tensors that are made and still alive are counted.

    Args:
        shapes_only: attention makes no numbers, as on the meta device; False for real tensors.
    """
    alive = _Alive()
    with _fused() if shapes_only else nullcontext(), alive:
        yield alive


@final
class _Alive(TorchDispatchMode):
    """Counts the storages that operators make, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most = 0, 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        shown = {_storage(each) for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        for each in tree_leaves(made):  # a view of a weight takes nothing
            if isinstance(each, Tensor) and _storage(each) not in shown:
                self._count(each.untyped_storage())
        return made

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def _fused() -> Iterator[None]:
    """Attention as its fused kernels take it: no table of all pairs is kept.

    Only that of tensors without numbers, so that nobody else's is touched meanwhile. It is put in
    the place of PyTorch's, since a TorchFunctionMode is not there when checkpoints are recomputed.
    """

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if query.is_meta:
            return _Attention.apply(query, key, value)
        named = {"scale": scale, "enable_gqa": enable_gqa}
        return real(query, key, value, attn_mask, dropout_p, is_causal, **named)

    with _ATTENDING:
        real = functional.scaled_dot_product_attention
        functional.scaled_dot_product_attention = attend
        try:
            yield
        finally:
            functional.scaled_dot_product_attention = real


@final
class _Attention(torch.autograd.Function):
    """Fused attention by its shapes: the answer, and what its way back keeps."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """An answer of the right shape."""
        made = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, made)
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the right shapes."""
        del gradients
        query, key, value, _ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
