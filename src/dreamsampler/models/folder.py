"""A model in a folder, as diffusers' save_pretrained writes it."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.families import FAMILIES, StableDiffusion
from dreamsampler.models.family import FamilyKind
from dreamsampler.models.libraries import quiet
from dreamsampler.models.support import SUPPORTED
from dreamsampler.models.weights import fingerprint, pickles, read_header, read_json, weight_files

CONFIGS = ("model_index.json", "scheduler/scheduler_config.json", "tokenizer*/*", "*/config.json")
"""The small files of any model folder, as patterns."""

HALVES = ("fp16", "bf16")
"""The variants of weights that are taken where a repository has no plain ones."""


def family_of(pipeline: object) -> FamilyKind | None:
    """The family that a diffusers pipeline of this name belongs to."""
    return next((kind for kind in FAMILIES if pipeline in kind.pipelines), None)


def family_in(folder: Path) -> FamilyKind:
    """The family of a model folder.

    Raises:
        ModelError: it is of none, or no model folder.
    """
    if not (folder / "model_index.json").is_file():
        loose = sorted(folder.glob("*.safetensors"))
        do = f"pass {loose[0]} itself" if loose else "pass what pipeline.save_pretrained() wrote"
        raise ModelError(f"{folder} is no diffusers folder (no model_index.json in it): {do}")
    name = read_json(folder / "model_index.json").get("_class_name")
    kind = family_of(name)
    if kind is None:
        raise ModelError(f"the model is for {name}, which cannot be used: {SUPPORTED}")
    return kind


def networks(kind: FamilyKind, folder: Path | None = None) -> list[str]:
    """The parts of a family that have weights; in a folder, without those left out of it."""
    names = [name for name in kind.classes if not name.startswith("tokenizer")]
    if folder is None:
        return names
    return [n for n in names if n not in kind.optional or (folder / n / "config.json").is_file()]


def tokenizers(kind: FamilyKind, folder: Path) -> list[str]:
    """The tokenizers of a family, without those left out of a folder."""
    names = [name for name in kind.classes if name.startswith("tokenizer")]
    return [n for n in names if n not in kind.optional or (folder / n).is_dir()]


def check_configs(folder: Path) -> FamilyKind:
    """The family of a folder; ModelError if its configuration is missing or of no family."""
    kind = family_in(folder)
    kind.check({name: read_json(folder / name / "config.json") for name in networks(kind, folder)})
    check_schedule(folder, kind)
    for name in tokenizers(kind, folder):
        if not any((folder / name).glob("*.json")):
            raise ModelError(f"{folder / name} is missing: download or copy the model again")
    return kind


def check_schedule(folder: Path, kind: FamilyKind) -> None:
    """Raise ModelError if a folder's scheduler is not of the family's kind."""
    config = read_json(folder / "scheduler/scheduler_config.json")
    table = "beta_schedule" in config or "trained_betas" in config
    if not kind.flow and not table:
        name = config.get("_class_name", "its scheduler")
        raise ModelError(
            f"{name} in {folder} has no beta schedule, which {kind.title} needs: "
            "download or copy the model again"
        )


def whole(folder: Path, variant: str | None) -> bool:
    """Whether a folder has all the files that loading needs."""
    if not has_configs(folder):
        return False
    kind = family_of(read_json(folder / "model_index.json").get("_class_name"))
    if kind is None:  # refused by its name later, which no download changes
        return True
    return all(_files(folder, part, variant) for part in networks(kind, folder))


def variant_of(folder: Path, asked: str | None) -> str | None:
    """Which files of a folder are read: those asked for, else the plain ones, else its halves.

    Some repositories have their networks as safetensors in 16 bits only.
    """
    if asked is not None or whole(folder, None):
        return asked
    return next((half for half in HALVES if whole(folder, half)), None)


def told_variant(folder: Path, asked: str | None, name: str) -> str | None:
    """The variant that is read; warns where nobody asked for it."""
    variant = variant_of(folder, asked)
    if variant != asked:
        warnings.warn(f"{name} is had in {variant} only: those files are used", stacklevel=4)
    return variant


def ready(folder: Path, asked: str | None) -> bool:
    """Whether a folder has all the files that loading needs, if only in halves."""
    return whole(folder, variant_of(folder, asked))


def has_configs(folder: Path) -> bool:
    """Whether a folder has the small files: configurations and tokenizers."""
    if not (folder / "model_index.json").is_file():
        return False
    kind = family_of(read_json(folder / "model_index.json").get("_class_name")) or StableDiffusion
    files = [folder / "scheduler/scheduler_config.json"]
    files += [folder / part / "config.json" for part in networks(kind, folder)]
    words = tokenizers(kind, folder)
    return all(f.is_file() for f in files) and all(any((folder / t).glob("*")) for t in words)


def check_weights(folder: Path, kind: FamilyKind, variant: str | None) -> None:
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


def is_text(part: str) -> bool:
    """Whether a part is a text encoder, which transformers reads."""
    return part.startswith("text_encoder")


def folder_revision(folder: Path, kind: FamilyKind, variant: str | None = None) -> str:
    """The version of a model folder: the hub's commit in a hub cache, else of its weights."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.name
    parts = networks(kind, folder)
    return fingerprint([file for part in parts for file in _files(folder, part, variant)])


def load_folder(
    folder: Path,
    kind: FamilyKind,
    dtype: torch.dtype,
    variant: str | None = None,
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The parts of a checked folder by their names, on the CPU, in a dtype.

    The autoencoder stays in float32 where float16 was asked for and its configuration says
    force_upcast, because its activations overflow.

    Args:
        folder: of the model.
        kind: its family.
        dtype: what its networks shall compute in.
        variant: "fp16" for files named *.fp16.safetensors.
        without: parts that are not wanted.
    """
    with quiet():
        parts = {} if without else load_small(folder, kind)
        for part in networks(kind, folder):
            if part not in without:
                parts[part] = load_part(folder, kind, part, dtype, variant)
    return parts


def load_part(
    folder: Path, kind: FamilyKind, part: str, dtype: torch.dtype, variant: str | None = None
) -> nn.Module:
    """One network of a folder."""
    word = "dtype" if is_text(part) else "torch_dtype"
    options: dict[str, Any] = {word: part_dtype(folder, part, dtype)}
    if variant and weight_files(folder, part, variant):
        options["variant"] = variant
    return _load(class_of(folder, kind, part), folder / part, options)


def class_of(folder: Path, kind: FamilyKind, part: str) -> Any:
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


def load_small(folder: Path, kind: FamilyKind) -> dict[str, Any]:
    """The parts without weights: tokenizers and scheduler."""
    import diffusers
    import transformers

    config = read_json(folder / "scheduler/scheduler_config.json")
    try:
        small: dict[str, Any] = {
            name: getattr(transformers, kind.classes[name][0]).from_pretrained(
                folder / name, local_files_only=True
            )
            for name in tokenizers(kind, folder)
        }
        if kind.flow:
            small["scheduler"] = SimpleNamespace(config=config)  # only its numbers are read
        else:
            small["scheduler"] = diffusers.DDIMScheduler.from_config(config)  # its table is read
    except Exception as error:
        raise ModelError(f"tokenizer or scheduler in {folder}: {one_line(error)}") from None
    return small


def part_dtype(folder: Path, part: str, dtype: torch.dtype) -> torch.dtype:
    """What a part computes in when the model is asked for in a dtype."""
    if part != "vae" or dtype != torch.float16:
        return dtype
    upcast = read_json(folder / "vae/config.json").get("force_upcast", True)
    return torch.float32 if upcast else dtype


def _load(cls: Any, folder: Path, options: dict[str, Any]) -> nn.Module:
    """One network with every weight in place, or ModelError."""
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
