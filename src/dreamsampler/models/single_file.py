"""A model in one .safetensors file, as it is shared for web interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from dreamsampler.maths import Target
from dreamsampler.models.alias import commits, repositories
from dreamsampler.models.errors import SUPPORTED, ModelError, one_line
from dreamsampler.models.families import StableDiffusion, StableDiffusionXL
from dreamsampler.models.family import Family
from dreamsampler.models.folder import (
    check_configs,
    has_configs,
    is_text,
    load_small,
    networks,
    part_dtype,
)
from dreamsampler.models.hub import Hub, download_configs
from dreamsampler.models.libraries import quiet
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.weights import read_header

_UNET = "model.diffusion_model."
_FIRST = f"{_UNET}input_blocks.0.0.weight"
_CROSS = f"{_UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_XL_ENCODERS = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
_CONFIGS = {768: "sd15", 1024: "sd21"}
_CHANNELS = (4, 9)
_OTHERS = {
    "conditioner.embedders.0.model.": "the refiner of Stable Diffusion XL",
    f"{_UNET}joint_blocks.": "a Stable Diffusion 3 checkpoint",
    f"{_UNET}double_blocks.": "a FLUX checkpoint",
    "double_blocks.": "a FLUX transformer",
    "lora_": "a LoRA: pass it as lora, beside its model",
    "unet.": "a LoRA: pass it as lora, beside its model",
    "control_model.": "a ControlNet",
    "down_blocks.": "a bare UNet: pass the whole diffusers folder",
    "encoder.": "a bare autoencoder",
    "decoder.": "a bare autoencoder",
}
_EXTRAS: dict[type[Family], dict[str, Any]] = {
    StableDiffusion: {
        "safety_checker": None,
        "feature_extractor": None,
        "image_encoder": None,
        "requires_safety_checker": False,
    },
    StableDiffusionXL: {"feature_extractor": None, "image_encoder": None, "add_watermarker": False},
}
_FOLDER = (
    ": single files are read of Stable Diffusion 1.x, 2.x and XL only, so pass the diffusers "
    "folder, alias or hub id of its model"
)


def check_checkpoint(path: Path) -> Mapping[str, Any]:
    """The header of a Stable Diffusion 1.x, 2.x or XL checkpoint; ModelError for other files.

    The weights are not read, so that a refusal is immediate.
    """
    header = read_header(path)
    for start, kind in _OTHERS.items():
        if _has(header, start):
            raise ModelError(f"{path} is {kind}{'' if ':' in kind else _FOLDER}")
    if _has(header, "conditioner.") and file_family(header) is not StableDiffusionXL:
        raise ModelError(f"{path} lacks a text encoder of Stable Diffusion XL: download it again")
    if _FIRST not in header:
        raise ModelError(f"{path} holds no Stable Diffusion UNet; {SUPPORTED}")
    if (channels := channels_of(header)) not in _CHANNELS:
        raise ModelError(
            f"{path} has a UNet of {channels} channels (instruction-editing, depth or upscaling); "
            f"{SUPPORTED}"
        )
    return header


def channels_of(header: Mapping[str, Any]) -> int:
    """Input channels of a checkpoint's UNet: 4 latents, or 9 of an inpainting network.

    Example:
        >>> channels_of({"model.diffusion_model.input_blocks.0.0.weight": {"shape": [8, 9, 3, 3]}})
        9
    """
    return header[_FIRST]["shape"][1]


def file_family(header: Mapping[str, Any]) -> type[Family]:
    """The family of a checked checkpoint, by its text encoders: XL has two.

    Example:
        >>> file_family({"cond_stage_model.transformer.x": {}}).title
        'Stable Diffusion 1.x and 2.x'
    """
    return StableDiffusionXL if all(_has(header, e) for e in _XL_ENCODERS) else StableDiffusion


def is_sd2(header: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is of Stable Diffusion 2.x, by its width of text."""
    return _text_width(header) == 1024


def _text_width(header: Mapping[str, Any]) -> int:
    return header[_CROSS]["shape"][-1] if _CROSS in header else 0


def _has(header: Mapping[str, Any], start: str) -> bool:
    return any(key.startswith(start) for key in header)


def find_config(path: Path, header: Mapping[str, Any], config: str | None, hub: Hub) -> Path:
    """The folder with the configurations and the tokenizer that a checkpoint file lacks.

    In this order: the given one, the folder that the file lies in, the hub's cache, the network.

    Without a config, two text encoders mean sdxl; of one, a width of 768 means sd15 and 1024 sd21,
    of which some predict v and some epsilon (`detect_target`).

    Raises:
        ModelError: there is none; the message says how to get one.
    """
    if config is None and (path.parent / "model_index.json").is_file():
        config = str(path.parent)
    config = config or _default_config(path, header)
    folder = Path(config).expanduser()
    if not folder.is_dir():
        try:
            names, pins = repositories(config), commits(config)
            folder = hub.fetch(names, has_configs, download_configs, pins=pins)
        except ModelError:
            raise ModelError(
                f"{path.name} comes without configuration and tokenizer, and those of {config} are "
                f"not in the cache: run `hf download {repositories(config)[0]} --include "
                '"*.json" "*.txt"` once, or pass a diffusers folder as config'
            ) from None
    kind, required = check_configs(folder), file_family(header)
    if kind is not required:
        raise ModelError(
            f"{path} is of {required.title}, but the configuration in {folder} of {kind.title}: "
            "pass another config"
        )
    return folder


def _default_config(path: Path, header: Mapping[str, Any]) -> str:
    """The alias of the model that a checkpoint is most likely made from."""
    if file_family(header) is StableDiffusionXL:
        if marks := [mark for mark in ("v_pred", "ztsnr") if mark in header]:
            raise ModelError(
                f"{path} is marked {' and '.join(marks)}, so it was trained with another noise "
                "schedule than sdxl: pass as config the folder or hub id of the model it is of"
            )
        return "sdxl"
    width = _text_width(header)
    if width not in _CONFIGS:
        raise ModelError(f"{path} attends to text of width {width}, not 768 or 1024; {SUPPORTED}")
    return _CONFIGS[width]


def detect_target(prior: NetworkPrior) -> Target:
    """Whether a network predicts epsilon or v, by its output for noise at the last time.

    There its input is nearly all noise, so a network that predicts epsilon repeats it, and
    one that predicts v = alpha eps - sigma z0 does not (cosine similarities of 0.99 and 0.2).
    Stable Diffusion 2.x has networks of both kinds, and their files do not tell them apart.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior = from_pretrained(device="cpu")
        >>> detect_target(prior) == prior.target
        True
    """
    side = prior.native_size // prior.factor
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(1, prior.latent_channels, side, side, generator=rng)
    level = prior.schedule(1.0)
    with torch.no_grad():
        (estimate,) = prior.predict(z, level, [prior.condition(None)])
    output = estimate.eps
    if prior.target != "epsilon":
        output = level.alpha * estimate.eps - level.sigma * estimate.z0
    similarity = torch.nn.functional.cosine_similarity(output.flatten(), z.flatten(), dim=0)
    return "epsilon" if similarity > 0.5 else "v"


def load_file(
    path: Path,
    dtype: torch.dtype,
    config: Path,
    kind: type[Family],
    channels: int,
    text_only: bool = False,
) -> dict[str, Any]:
    """The parts of a checked checkpoint file, by their names, or only its text encoders.

    The input channels of its UNet are given, since the configuration may be of another model.
    """
    with quiet():
        diffusers: Any = import_module("diffusers")
        pipeline = getattr(diffusers, kind.pipelines[0])
        options: dict[str, Any] = {"config": str(config), "local_files_only": True}
        try:
            vae = diffusers.AutoencoderKL.from_single_file(
                str(path), subfolder="vae", torch_dtype=part_dtype(config, "vae", dtype), **options
            )
            unet = diffusers.UNet2DConditionModel.from_single_file(
                str(path), subfolder="unet", torch_dtype=dtype, in_channels=channels, **options
            )
            pipe: Any = pipeline.from_single_file(
                str(path),
                torch_dtype=dtype,
                vae=vae,
                unet=unet,
                **_EXTRAS[kind],
                **load_small(config, kind),
                **options,
            )
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{path} cannot be loaded: {one_line(error)}") from None
    for part in networks(kind):
        if any(weight.is_meta for weight in getattr(pipe, part).parameters()):
            raise ModelError(
                f"{path} lacks weights of its {part}: {config} belongs to another model"
            )
    names = [part for part in (*kind.classes, "scheduler") if is_text(part) or not text_only]
    return {part: getattr(pipe, part) for part in names}
