"""Which model, and where it runs: the options that every interface has for it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

if TYPE_CHECKING:
    from dreamsampler.models.load import Pretrained

ADDED = {"lora": "LoRA", "textual_inversion": "learned word"}
"""Options that add something to a model, and what that is called."""


@dataclass(frozen=True)
class LoadOptions:
    """What decides how much memory a model takes."""

    model: str = "iconic"
    """iconic (comes with the package), an alias (sd15, sdxl, flux-dev, ...), a hub id, a diffusers
    folder, or a .safetensors file"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """precision of the networks; auto takes float16 for large models on CUDA, else float32"""
    device: str | None = None
    """such as cpu or cuda:1 (the best one there is, if left out)"""
    revision: str | None = None
    """branch, tag or commit of a hub model (an alias has its own, if left out)"""
    local_files_only: bool = False
    """never ask the network for a model"""
    distilled: Literal["turbo", "lcm", "lightning", "schnell", "none"] | None = None
    """how a model came to need few steps, where its name does not say it"""
    offload: Literal["model", "sequential"] | None = None
    """weights wait in main memory: whole networks, or layer by layer (least memory, slow)"""
    release_text_encoders: bool = False
    """forget the text encoders once the prompts are read"""
    tiling: int | None = None
    """side of the tiles, in pixels, in which pictures are encoded and decoded: less memory"""
    gradient_checkpointing: bool = False
    """less memory for gradients, for a third more time"""

    def arguments(self) -> dict[str, Any]:
        """The options besides the model, as `from_pretrained` and `make_plan` take them."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        del found["model"]
        return {**found, "local_files_only": self.local_files_only or None}


@final
@dataclass(frozen=True)
class ModelOptions(LoadOptions):
    """Which model, and where it runs."""

    variant: str | None = None
    """which files of a hub model, such as fp16"""
    config: str | None = None
    """for a .safetensors file only: folder, alias or hub id of its configuration and tokenizer"""
    lora: tuple[str, ...] = ()
    """.safetensors file of a LoRA, or FILE=STRENGTH, such as style.safetensors=0.7"""
    textual_inversion: tuple[Path, ...] = ()
    """.safetensors file of a learned word, which prompts then call <FILE> without its suffix"""
    channels_last: bool = False
    """a memory layout; networks of 16 bits have it anyway"""
    compile: bool = False
    """torch.compile the network at its first use: worth it for many pictures"""
    preview: str | None = None
    """folder or hub id of a tiny autoencoder (TAESD) that draws the steps of --record"""

    def load(self) -> Pretrained:
        """The model; imports torch and diffusers."""
        from dreamsampler.models.load import from_pretrained

        lora, layout = dict(map(lora_strength, self.lora)), self.channels_last or None
        return from_pretrained(
            self.model, **{**self.arguments(), "lora": lora, "channels_last": layout}
        )


def lora_strength(lora: str) -> tuple[str, float]:
    """A file and how strongly it is added: FILE, or FILE=STRENGTH.

    Raises:
        ValueError: a strength that is no number.

    Example:
        >>> lora_strength("style.safetensors=0.7")
        ('style.safetensors', 0.7)
    """
    path, equals, number = lora.rpartition("=")
    if not equals or number.lower().endswith(".safetensors"):
        return lora, 1.0
    try:
        return path, float(number)
    except ValueError:
        raise ValueError(
            f"lora is {lora}, but must be FILE or FILE=STRENGTH, such as {path}=0.7"
        ) from None


ADDED = {"lora": "LoRA", "textual_inversion": "learned word"}
"""What may be added to a model, under the names that recipes and options have for it."""
