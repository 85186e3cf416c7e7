"""A model in a folder, as diffusers' save_pretrained writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.quiet import quiet
from dreamsampler.models.support import SUPPORTED, check_pipeline, check_unet
from dreamsampler.models.weights import fingerprint, pickles, read_header, read_json, weight_files

PARTS = ("unet", "vae", "text_encoder")
"""The parts that have weights."""

CONFIGS = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/*",
    *(f"{part}/config.json" for part in PARTS),
)
"""The small files of a model folder, as patterns."""


def check_configs(folder: Path) -> None:
    """Raise ModelError if a folder's configuration is missing or of another family."""
    if not (folder / "model_index.json").is_file():
        loose = sorted(folder.glob("*.safetensors"))
        do = f"pass {loose[0]} itself" if loose else "pass what pipeline.save_pretrained() wrote"
        raise ModelError(f"{folder} is no diffusers folder (no model_index.json in it): {do}")
    check_pipeline(read_json(folder / "model_index.json").get("_class_name"))
    check_unet(read_json(folder / "unet/config.json"), read_json(folder / "vae/config.json"))
    check_schedule(folder)
    if not any((folder / "tokenizer").glob("*.json")):
        raise ModelError(f"{folder / 'tokenizer'} is missing: download or copy the model again")


def check_schedule(folder: Path) -> None:
    """Raise ModelError if a folder's scheduler knows no variance-preserving table."""
    config = read_json(folder / "scheduler/scheduler_config.json")
    if "beta_schedule" not in config and "trained_betas" not in config:
        name = config.get("_class_name", "its scheduler")
        raise ModelError(f"{name} in {folder} has no beta schedule: {SUPPORTED}")


def whole(folder: Path, variant: str | None) -> bool:
    """Whether a folder has all the files that loading needs."""
    return has_configs(folder) and all(_files(folder, part, variant) for part in PARTS)


def has_configs(folder: Path) -> bool:
    """Whether a folder has the small files: configurations and tokenizer."""
    return all(any(folder.glob(pattern)) for pattern in CONFIGS)


def check_weights(folder: Path, variant: str | None) -> None:
    """Raise ModelError unless every part has whole safetensors files."""
    if variant and not any(weight_files(folder, part, variant) for part in PARTS):
        raise ModelError(f"{folder} has no files of variant {variant!r}: leave variant out")
    for part in PARTS:
        files = _files(folder, part, variant)
        if not files and (found := pickles(folder, part)):
            raise ModelError(
                f"{folder / part} holds only a pickle ({found[0].name}), which runs code when "
                "opened: convert it where you trust it, with diffusers' "
                "save_pretrained(..., safe_serialization=True)"
            )
        if not files:
            raise ModelError(
                f"{folder / part} holds no {'diffusion_pytorch_' * (part != 'text_encoder')}"
                "model.safetensors: download or copy the model again"
                + (", or name its variant" if any((folder / part).glob("*.safetensors")) else "")
            )
        for file in files:
            read_header(file)


def folder_revision(folder: Path, variant: str | None = None) -> str:
    """The version of a model folder: the hub's commit in a hub cache, else of its weights."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.name
    return fingerprint([file for part in PARTS for file in _files(folder, part, variant)])


def load_folder(folder: Path, dtype: torch.dtype, variant: str | None = None) -> dict[str, Any]:
    """The parts of a checked folder, on the CPU, in a dtype, ready for StableDiffusion(**parts).

    The autoencoder stays in float32 where float16 was asked for and its configuration says
    force_upcast, because its activations overflow.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel

    classes = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}
    kind = read_json(folder / "vae/config.json").get("_class_name")
    if kind == "AutoencoderTiny":
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        classes["vae"] = AutoencoderTiny
    with quiet():
        parts = load_small(folder)
        for part, cls in classes.items():
            word = "dtype" if part == "text_encoder" else "torch_dtype"
            options: dict[str, Any] = {word: part_dtype(folder, part, dtype)}
            if variant and weight_files(folder, part, variant):
                options["variant"] = variant
            parts[part] = _load(cls, folder / part, options)
    return parts


def load_small(folder: Path) -> dict[str, Any]:
    """The parts without weights: tokenizer and scheduler."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTokenizer

    config = read_json(folder / "scheduler/scheduler_config.json")
    try:
        return {
            "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
            "scheduler": DDIMScheduler.from_config(config),  # only its table is read
        }
    except Exception as error:
        raise ModelError(f"tokenizer or scheduler in {folder}: {one_line(error)}") from None


def part_dtype(folder: Path, part: str, dtype: torch.dtype) -> torch.dtype:
    """What a part computes in when the model is asked for in a dtype."""
    if part != "vae" or dtype != torch.float16:
        return dtype
    upcast = read_json(folder / "vae/config.json").get("force_upcast", True)
    return torch.float32 if upcast else dtype


def _load(cls: Any, folder: Path, options: dict[str, Any]) -> nn.Module:
    """One network with every weight in place, or ModelError."""
    try:
        model, info = cls.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
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
