"""Which model, and where it runs: the options that every interface has for it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from dreamsampler.files import InputError

if TYPE_CHECKING:
    from dreamsampler.models.bundled_models import BundledModels
    from dreamsampler.models.load import Pretrained

ADDED = {
    "lora": "LoRA",
    "textual_inversion": "learned word",
    "controlnet": "control network",
    "ip_adapter": "IP-Adapter",
}
"""Options that add something to a model, and what that is called."""


AUTO = "auto"
"""The bundled model that knows the picture."""


@dataclass(frozen=True)
class LoadOptions:
    """What decides how much memory a model takes."""

    model: str = AUTO
    """iconic or photo (they come with the package), an alias (sd15, sdxl, flux-dev, ...), a hub id,
    a diffusers folder, or a .safetensors file; auto is iconic, or photo where restore, or inpaint
    with remove, gets a photograph and no prompt"""
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

    @property
    def named(self) -> str:
        """The model, that of drawings for auto."""
        return "iconic" if self.model == AUTO else self.model

    def arguments(self) -> dict[str, Any]:
        """The options besides the model, as `from_pretrained` and `make_plan` take them."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("model", "call"):
            found.pop(name, None)
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
    pipeline: str | None = None
    """class of diffusers in place of the model's own, such as StableDiffusionXLPAGPipeline"""
    controlnet: tuple[str, ...] = ()
    """folder or hub id of a control network (ControlNet, T2I-Adapter) for the model"""
    ip_adapter: str | None = None
    """.safetensors file of an IP-Adapter, here or on the hub as org/name/folder/FILE"""
    quantization_config: str | None = None
    """JSON object: arguments of diffusers' PipelineQuantizationConfig"""
    call: tuple[str, ...] = ()
    """NAME=VALUE, an argument of the pipeline's own call for every prompt, such as image=@edges.png
    or clip_skip=2; `dreamsampler models --describe MODEL` lists them"""
    channels_last: bool = False
    """a memory layout; networks of 16 bits have it anyway"""
    compile: bool = False
    """torch.compile the network at its first use: worth it for many pictures"""
    preview: str | None = None
    """folder or hub id of a tiny autoencoder (TAESD) that draws the steps of --record"""

    def load(self) -> Pretrained | BundledModels:
        """The model; for auto, and nothing that is added to one, both; imports torch, diffusers."""
        both = {each.name for each in fields(LoadOptions)} - {"revision", "distilled"}
        usual = all(getattr(self, f.name) == f.default for f in fields(self) if f.name not in both)
        if self.model != AUTO or not usual:
            return self.load_one(self.named)
        from dreamsampler.models.bundled_models import BundledModels

        return BundledModels(self.load_one)

    def load_one(self, name: str) -> Pretrained:
        """A model under these options; imports torch and diffusers."""
        from dreamsampler.models.load import from_pretrained

        given = {**self.arguments(), "lora": dict(map(lora_strength, self.lora))}
        given |= {
            "channels_last": self.channels_last or None,
            "controlnet": self.controlnet or None,
            "quantization_config": _object("quantization_config", self.quantization_config),
        }
        return from_pretrained(name, **{**given, **self._call()})

    def under(self, model: Any) -> Any:
        """A loaded model under the arguments of this call; None if it must be loaded anew."""
        from dreamsampler.models.pipe import with_call

        return with_call(model, self._call())

    def _call(self) -> dict[str, Any]:
        """The arguments of the call, typed as the pipeline has them."""
        if not self.call:
            return {}
        from dreamsampler.models.describe import describe
        from dreamsampler.models.driven.arguments import typed_call

        names = ("pipeline", "controlnet", "config", "revision", "local_files_only")
        where: dict[str, Any] = {n: v for n, v in self.arguments().items() if n in names}
        return typed_call(describe(self.named, **where).pipeline, named_values("call", self.call))


def _object(option: str, text: str | None) -> dict[str, Any] | None:
    """An option that is a JSON object, or InputError."""
    if text is None:
        return None
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(found := json.loads(text), dict):
            return found
    raise InputError(
        f"{option} is {text!r}, but must be a JSON object such as "
        '{"quant_backend": "bitsandbytes_8bit", "quant_kwargs": {"load_in_8bit": true}}'
    )


def named_values(option: str, entries: Iterable[str]) -> dict[str, str]:
    """Entries NAME=VALUE of an option.

    Raises:
        InputError: one without a name, or two of the same.

    Example:
        >>> named_values("set", ["prompt=a = b"])
        {'prompt': 'a = b'}
    """
    found: dict[str, str] = {}
    for each in entries:
        name, equals, value = each.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise InputError(f"{option} is {each!r}, but must be NAME=VALUE")
        if name in found:
            raise InputError(f"{option} has {name} twice: pass it once (several as a JSON list)")
        found[name] = value
    return found


def with_call_files(value: Any, change: Callable[[str], str]) -> str:
    """A value of a call as text, with its files (@PATH, also in a list) changed.

    Example:
        >>> with_call_files(["@a.png", 1], lambda path: f"maps/{path}")
        '["@maps/a.png", 1]'
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)

    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(each) for each in value]
        file = isinstance(value, str) and value.startswith("@")
        return f"@{change(value[1:])}" if file else value

    found = changed(value)
    return found if isinstance(found, str) else json.dumps(found)


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
