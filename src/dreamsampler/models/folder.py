"""A model in a folder, as diffusers' save_pretrained writes it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from dreamsampler.models.errors import SUPPORTED, ModelError, one_line
from dreamsampler.models.families import FAMILIES, StableDiffusion
from dreamsampler.models.family import Family
from dreamsampler.models.libraries import quiet
from dreamsampler.models.weights import fingerprint, pickles, read_header, read_json, weight_files

CONFIGS = ("model_index.json", "scheduler/scheduler_config.json", "tokenizer*/*", "*/config.json")
"""The small files of any model folder, as patterns."""

HALVES = ("fp16", "bf16")
"""The variants of weights that are taken where a repository has no others."""


def _family_of(folder: Path) -> type[Family] | None:
    name = read_json(folder / "model_index.json").get("_class_name")
    return next((kind for kind in FAMILIES if name in kind.pipelines), None)


def is_text(part: str) -> bool:
    """Whether a part is a text encoder, which transformers loads."""
    return part.startswith("text_encoder")


def networks(kind: type[Family], folder: Path | None = None) -> list[str]:
    """The parts of a family that have weights; in a folder, without the optional ones it lacks."""
    names = [name for name in kind.classes if not name.startswith("tokenizer")]
    if folder is None:
        return names
    return [n for n in names if n not in kind.optional or (folder / n / "config.json").is_file()]


def tokenizers(kind: type[Family], folder: Path) -> list[str]:
    """The tokenizers of a family, without the optional ones that a folder lacks."""
    names = [name for name in kind.classes if name.startswith("tokenizer")]
    return [n for n in names if n not in kind.optional or (folder / n).is_dir()]


def check_configs(folder: Path) -> type[Family]:
    """The family of a model folder.

    Raises:
        ModelError: it is no model folder, its configuration is incomplete, or of no family.
    """
    if not (folder / "model_index.json").is_file():
        loose = sorted(folder.glob("*.safetensors"))
        do = f"pass {loose[0]} itself" if loose else "pass what pipeline.save_pretrained() wrote"
        raise ModelError(f"{folder} is no diffusers folder (no model_index.json in it): {do}")
    kind = _family_of(folder)
    if kind is None:
        name = read_json(folder / "model_index.json").get("_class_name")
        raise ModelError(f"the model is for {name}, which cannot be used: {SUPPORTED}")
    kind.check({name: read_json(folder / name / "config.json") for name in networks(kind, folder)})
    scheduler = read_json(folder / "scheduler/scheduler_config.json")
    if not kind.flow and not {"beta_schedule", "trained_betas"} & set(scheduler):
        name = scheduler.get("_class_name", "its scheduler")
        raise ModelError(
            f"{name} in {folder} has no beta schedule, which {kind.title} needs: "
            "download or copy the model again"
        )
    for name in tokenizers(kind, folder):
        if not any((folder / name).glob("*.json")):
            raise ModelError(f"{folder / name} is missing: download or copy the model again")
    return kind


def has_configs(folder: Path) -> bool:
    """Whether a folder has the small files: configurations and tokenizers."""
    if not (folder / "model_index.json").is_file():
        return False
    kind = _family_of(folder) or StableDiffusion
    files = [folder / "scheduler/scheduler_config.json"]
    files += [folder / part / "config.json" for part in networks(kind, folder)]
    words = tokenizers(kind, folder)
    return all(f.is_file() for f in files) and all(any((folder / t).glob("*")) for t in words)


def has_weights(folder: Path, variant: str | None) -> bool:
    """Whether a folder has all the files that loading needs, the weights of one variant."""
    if not has_configs(folder):
        return False
    kind = _family_of(folder)
    if kind is None:  # refused by its name later, which no download changes
        return True
    return all(_files(folder, part, variant) for part in networks(kind, folder))


def variant_of(folder: Path, variant: str | None) -> str | None:
    """The variant that is loaded: the given one, else none, else 16 bits if there is nothing else.

    Some repositories have their networks as safetensors in 16 bits only.
    """
    if variant is not None or has_weights(folder, None):
        return variant
    return next((half for half in HALVES if has_weights(folder, half)), None)


def is_complete(folder: Path, variant: str | None) -> bool:
    """Whether a folder has all the files that loading needs, if only in 16 bits."""
    return has_weights(folder, variant_of(folder, variant))


def check_weights(folder: Path, kind: type[Family], variant: str | None) -> None:
    """Raise ModelError unless every part has whole safetensors files."""
    parts = networks(kind, folder)
    if variant and not any(weight_files(folder, part, variant) for part in parts):
        raise ModelError(f"{folder} has no files of variant {variant!r}: leave variant out")
    for part in parts:
        files = _files(folder, part, variant)
        if not files and (found := pickles(folder, part)):
            raise ModelError(
                f"{folder / part} holds only a pickle ({found[0].name}), which runs code when "
                "opened: convert it where you trust it, with diffusers' "
                "save_pretrained(..., safe_serialization=True)"
            )
        if not files:
            raise ModelError(
                f"{folder / part} holds no {'' if is_text(part) else 'diffusion_pytorch_'}"
                "model.safetensors: download or copy the model again"
                + (", or name its variant" if any((folder / part).glob("*.safetensors")) else "")
            )
        for file in files:
            read_header(file)


def folder_revision(folder: Path, kind: type[Family], variant: str | None = None) -> str:
    """The version of a model folder: the hub's commit in a hub cache, else of its weights."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.name
    parts = networks(kind, folder)
    return fingerprint([file for part in parts for file in _files(folder, part, variant)])


def load_folder(
    folder: Path,
    kind: type[Family],
    dtype: torch.dtype,
    variant: str | None = None,
    text_only: bool = False,
) -> dict[str, Any]:
    """The parts of a checked folder by their names, or only its text encoders, on the CPU.

    In float16, an autoencoder whose configuration says force_upcast stays in float32, because its
    activations overflow.
    """
    with quiet():
        parts = {} if text_only else load_small(folder, kind)
        for part in networks(kind, folder):
            if text_only and not is_text(part):
                continue
            options: dict[str, Any] = {
                "dtype" if is_text(part) else "torch_dtype": part_dtype(folder, part, dtype)
            }
            if variant and weight_files(folder, part, variant):
                options["variant"] = variant
            parts[part] = load_network(class_of(folder, kind, part), folder / part, options)
    return parts


def class_of(folder: Path, kind: type[Family], part: str) -> Any:
    """The class that a part's configuration names, if it is one of the family's."""
    allowed = kind.classes[part]
    if is_text(part):
        entry = read_json(folder / "model_index.json").get(part)
        name = entry[1] if isinstance(entry, list) and len(entry) == 2 else allowed[0]
    else:
        name = read_json(folder / part / "config.json").get("_class_name", allowed[0])
    if name not in allowed:
        raise ModelError(f"{folder / part} is a {name}, but must be {' or '.join(allowed)}")
    return getattr(import_module("transformers" if is_text(part) else "diffusers"), name)


def load_small(folder: Path, kind: type[Family]) -> dict[str, Any]:
    """The parts without weights: tokenizers and scheduler."""
    config = read_json(folder / "scheduler/scheduler_config.json")
    try:
        small: dict[str, Any] = {
            name: getattr(import_module("transformers"), kind.classes[name][0]).from_pretrained(
                folder / name, local_files_only=True
            )
            for name in tokenizers(kind, folder)
        }
        if kind.flow:
            small["scheduler"] = SimpleNamespace(config=config)  # only its numbers are read
        else:
            scheduler = import_module("diffusers").DDIMScheduler  # only its table is read
            small["scheduler"] = scheduler.from_config(config)
    except Exception as error:
        raise ModelError(f"tokenizer or scheduler in {folder}: {one_line(error)}") from None
    return small


def part_dtype(folder: Path, part: str, dtype: torch.dtype) -> torch.dtype:
    """What a part computes in when the model is loaded in a dtype."""
    if part != "vae" or dtype != torch.float16:
        return dtype
    upcast = read_json(folder / "vae/config.json").get("force_upcast", True)
    return torch.float32 if upcast else dtype


def load_network(cls: Any, folder: Path, options: dict[str, Any]) -> nn.Module:
    """One network with every weight in place; ModelError if it cannot be loaded."""
    from diffusers.models.modeling_utils import no_init_weights

    try:
        with no_init_weights():
            model, info = cls.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **options,
            )
    except Exception as error:
        raise ModelError(f"{folder} cannot be loaded: {one_line(error)}") from None
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{folder} lacks {len(missing)} weights that its config.json asks for ({missing[0]}, "
            "...): the two belong to different models"
        )
    return model


def _files(folder: Path, part: str, variant: str | None) -> list[Path]:
    return (variant and weight_files(folder, part, variant)) or weight_files(folder, part)
