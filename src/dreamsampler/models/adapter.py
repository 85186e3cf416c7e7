"""LoRA and learned words (textual inversion), added to a loaded model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.files import sha256
from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.family import Family
from dreamsampler.models.weights import read_header, refuse_pickle

_ENDS = (
    (".lora_A.weight", ".lora_B.weight"),
    (".lora.down.weight", ".lora.up.weight"),
    ("_lora.down.weight", "_lora.up.weight"),
    (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
    (".lora_down.weight", ".lora_up.weight"),
)
_OTHERS = {"lokr_": "LoKr", "hada_": "LoHa", "dora_scale": "DoRA", "oft_": "OFT"}


@final
@dataclass(frozen=True)
class Adapters:
    """Files that change a model.

    Args:
        lora: (file, strength) pairs; each adds strength alpha / rank B A to the weights it names.
        words: files of learned words.
    """

    lora: tuple[tuple[Path, float], ...] = ()
    words: tuple[Path, ...] = ()

    @staticmethod
    def of(
        lora: Sequence[str | Path] | Mapping[str | Path, float], words: Sequence[str | Path]
    ) -> Adapters:
        """From the arguments of `from_pretrained`.

        Raises:
            ModelError: a file is missing, or no safetensors.
        """
        if isinstance(lora, str | Path) or isinstance(words, str | Path):
            raise ModelError("lora and textual_inversion are lists: write [file]")
        pairs = lora.items() if isinstance(lora, Mapping) else [(file, 1.0) for file in lora]
        made = Adapters(
            tuple((Path(f).expanduser(), float(w)) for f, w in pairs),
            tuple(Path(f).expanduser() for f in words),
        )
        for path in (*(f for f, _ in made.lora), *made.words):
            refuse_pickle(path)
            if not path.is_file():
                raise ModelError(f"there is no file {path}: check the name and the folder")
            if path.suffix.lower() != ".safetensors":
                raise ModelError(f"{path} is no .safetensors file: pass one")
            read_header(path)
        return made

    def recipe(self) -> dict[str, Any]:
        """Names, hashes and strengths of the files, for a recipe."""
        made: dict[str, Any] = {
            "lora": [
                {"name": path.name, "sha256": sha256(path), "strength": strength}
                for path, strength in self.lora
            ],
            "textual_inversion": [
                {"name": path.name, "sha256": sha256(path)} for path in self.words
            ],
        }
        return {name: files for name, files in made.items() if files}


def adapt(parts: dict[str, Any], adapters: Adapters, kind: type[Family]) -> None:
    """Add LoRAs to the weights of loaded networks, and learned words to the text encoders.

    Args:
        parts: name -> network or tokenizer; changed.
        adapters: what to add.
        kind: the family, whose names of weights are known.

    Raises:
        ModelError: a file is of another kind, or belongs to another model.
    """
    for path in adapters.words:
        _add_words(parts, path)
    for path, strength in adapters.lora:
        _merge(parts, path, strength, kind)


def _merge(parts: Mapping[str, Any], path: Path, strength: float, kind: type[Family]) -> None:
    """Add one LoRA to the weights: W + strength alpha / rank B A.

    Merged, it costs nothing per step. Names may be those of diffusers, peft or kohya; a part that
    the model does not have is left out.

    Source: Hu et al., "LoRA", ICLR 2022 (arXiv:2106.09685), eq. 3.
    """
    weights, alphas = _read(path, parts, kind)
    pairs = list(_pairs(weights))
    if not pairs:
        raise ModelError(f"{path.name} holds no LoRA: pass a LoRA of this model's family")
    for module_name, down, up in pairs:
        module = _module(module_name, parts, path)
        if module is None:
            continue
        if down.ndim == 2:
            product = up @ down
        else:  # a convolution
            product = torch.einsum("or,rikl->oikl", up.flatten(1), down)
        alpha = alphas.get(module_name, float(len(down)))
        change = product * (strength * alpha / len(down))
        weight = module.weight
        if change.numel() != weight.numel():
            raise ModelError(
                f"{path.name} changes {module_name} by {tuple(change.shape)}, but this model has "
                f"{tuple(weight.shape)}: it belongs to another model"
            )
        with torch.no_grad():
            weight.copy_((weight.float() + change.view_as(weight).to(weight.device)).to(weight))


def _read(
    path: Path, parts: Mapping[str, Any], kind: type[Family]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """A LoRA's tensors under diffusers' names, and the alphas by module."""
    from safetensors.torch import load_file

    raw = load_file(path)
    for key in raw:
        other = next((name for mark, name in _OTHERS.items() if mark in key), None)
        if other is not None:
            raise ModelError(
                f"{path.name} is a {other}, not a LoRA: load it with diffusers, "
                "and pass the pipeline to from_pipe"
            )
    try:
        converted = _converted(raw, parts)
        if converted is None:
            converted = _as_diffusers(raw, parts, kind)
    except Exception as error:
        raise ModelError(f"{path.name} is no LoRA of {kind.title}: {one_line(error)}") from None
    alphas = {
        key.removesuffix(".alpha"): float(value)
        for key, value in converted.items()
        if key.endswith(".alpha")
    }
    return {k: v for k, v in converted.items() if not k.endswith(".alpha")}, alphas


def _converted(raw: dict[str, Tensor], parts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Kohya's flat names (lora_unet_down_blocks_0_...) as diffusers' dotted ones.

    None if a name is flat and belongs to no module of the model: it may be a name of the program
    that the model was first published with.
    """
    if not any(key.startswith("lora_") for key in raw):
        return dict(raw)
    denoiser = "unet" if "unet" in parts else "transformer"
    prefixes = {
        "lora_unet": denoiser,
        "lora_transformer": "transformer",
        "lora_te1": "text_encoder",
        "lora_te2": "text_encoder_2",
        "lora_te": "text_encoder",
    }
    flat = {
        part: {name.replace(".", "_"): name for name, _ in module.named_modules()}
        for part, module in parts.items()
        if isinstance(module, nn.Module)
    }
    made: dict[str, Any] = {}
    for key, value in raw.items():
        head, _, rest = key.partition(".")
        start = next((p for p in prefixes if head.startswith(f"{p}_")), None)
        if start is None:
            return None
        part, name = prefixes[start], head.removeprefix(f"{start}_")
        if part in flat:
            place = flat[part].get(name) or flat[part].get(name.removeprefix("text_model_"))
            if place is None:
                return None
            made[f"{part}.{place}.{rest}"] = value
    return made


def _as_diffusers(
    raw: dict[str, Tensor], parts: Mapping[str, Any], kind: type[Family]
) -> dict[str, Any]:
    """Names of other programs (SGM, FLUX's fused projections), by diffusers' converters."""
    from diffusers.loaders import lora_pipeline

    read: Any  # what diffusers' converters return depends on their arguments
    if "unet" in parts and kind.title == "Stable Diffusion XL":
        reader = lora_pipeline.StableDiffusionXLLoraLoaderMixin
        read = reader.lora_state_dict(dict(raw), unet_config=parts["unet"].config)
    elif kind.title == "FLUX.1":
        reader = lora_pipeline.FluxLoraLoaderMixin
        read = reader.lora_state_dict(dict(raw), return_alphas=True)
    else:
        unknown = next(iter(raw)).partition(".")[0]
        raise ValueError(f"this model has no module {unknown!r}")
    weights, alphas = read
    made = dict(weights)
    for key, value in (alphas or {}).items():
        module = key.removesuffix(".alpha")
        for down, _ in _ENDS:
            module = module.removesuffix(down)
        made[f"{module.replace('.processor.', '.')}.alpha"] = value
    return made


def _pairs(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name of the module, A, B) of every pair of matrices."""
    for key in weights:
        for down, up in _ENDS:
            name = key.removesuffix(down)
            if name != key and name + up in weights:
                module = name.replace(".processor.", ".")
                yield module, weights[key].float(), weights[name + up].float()


def _module(name: str, parts: Mapping[str, Any], path: Path) -> Any:
    """The module that a LoRA's name means; None if its part is not there."""
    part, _, rest = name.partition(".")
    if part not in ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3"):
        raise ModelError(f"{path.name} changes {name}, which is no part of a model")
    if part not in parts:
        return None
    known = dict(parts[part].named_modules())
    candidates = (rest, rest.removeprefix("text_model."), f"text_model.{rest}", f"{rest}.0")
    module = next((known[c] for c in candidates if c in known), None)
    if module is None or getattr(module, "weight", None) is None:
        raise ModelError(
            f"{path.name} changes {name}, which this model does not have: it belongs to another "
            "model"
        )
    return module


def _add_words(parts: Mapping[str, Any], path: Path) -> None:
    """Add a learned word, called as its file or its key, to tokenizers and text encoders.

    The file has one tensor (n, d) under the word's name or "emb_params", or "clip_l" and "clip_g"
    for two encoders. A word of several vectors is stored as `<word>`, `<word>_1`, ...; a prompt
    says `<word>`.

    Source: Gal et al., "An image is worth one word", ICLR 2023 (arXiv:2208.01618).
    """
    from safetensors.torch import load_file

    raw = load_file(path)
    two = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
    if set(raw) <= set(two):
        vectors = {two[key]: value for key, value in raw.items()}
        word = path.stem
    elif len(raw) == 1:
        ((key, value),) = raw.items()
        word, vectors = (path.stem if key == "emb_params" else key), {"text_encoder": value}
    else:
        raise ModelError(f"{path.name} holds {len(raw)} tensors, but a learned word has one")
    for name, value in vectors.items():
        if name not in parts:
            raise ModelError(f"{path.name} is for a model with a {name}, which this one lacks")
        tokenizer = parts.get(name.replace("text_encoder", "tokenizer"))
        _add_word(parts[name], tokenizer, word, value.view(-1, value.shape[-1]), path)


def _add_word(encoder: Any, tokenizer: Any, word: str, vectors: Tensor, path: Path) -> None:
    """One word in one text encoder."""
    table = encoder.get_input_embeddings().weight
    if table.shape[1] != vectors.shape[1]:
        raise ModelError(
            f"{path.name} holds vectors of {vectors.shape[1]} numbers, but the text encoder reads "
            f"{table.shape[1]}: it belongs to another model"
        )
    names = [word, *(f"{word}_{n}" for n in range(1, len(vectors)))]
    tokenizer.add_tokens([name for name in names if name not in tokenizer.get_vocab()])
    if len(tokenizer) > len(table):
        encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = tokenizer.convert_tokens_to_ids(names)
    with torch.no_grad():
        weight = encoder.get_input_embeddings().weight
        weight[torch.tensor(ids)] = vectors.to(weight)
