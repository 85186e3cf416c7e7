"""A model in one .safetensors file, as it is passed around for web interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dreamsampler.maths import Target
from dreamsampler.models.alias import commits, repositories
from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.families import StableDiffusion, StableDiffusionXL
from dreamsampler.models.family import FamilyKind
from dreamsampler.models.folder import check_configs, has_configs, load_small, networks, part_dtype
from dreamsampler.models.hub import Hub, download_configs
from dreamsampler.models.libraries import quiet
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.support import SUPPORTED
from dreamsampler.models.weights import read_header

_UNET = "model.diffusion_model."
_FIRST = f"{_UNET}input_blocks.0.0.weight"
_CROSS = f"{_UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_FIRST_OF_XL = "conditioner.embedders.0.transformer."
_SECOND_OF_XL = "conditioner.embedders.1.model."
_CONFIGS = {768: "sd15", 1024: "sd21"}
_MARKS = ("v_pred", "ztsnr")
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
_EXTRAS: dict[FamilyKind, dict[str, Any]] = {
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
    """Raise ModelError unless a file is a Stable Diffusion 1.x, 2.x or XL checkpoint.

    Only its header is read, so that a refusal is immediate.
    """
    header = read_header(path)
    for start, kind in _OTHERS.items():
        if _holds(header, start):
            raise ModelError(f"{path} is {kind}{'' if ':' in kind else _FOLDER}")
    if _holds(header, "conditioner.") and file_family(header) is not StableDiffusionXL:
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
    """Channels that a checkpoint's UNet is shown: 4 latents, or 9 of an inpainting network.

    Example:
        >>> channels_of({"model.diffusion_model.input_blocks.0.0.weight": {"shape": [8, 9, 3, 3]}})
        9
    """
    return header[_FIRST]["shape"][1]


def file_family(header: Mapping[str, Any]) -> FamilyKind:
    """The family of a checked checkpoint, by its text encoders: XL has two.

    Example:
        >>> file_family({"cond_stage_model.transformer.x": {}}).title
        'Stable Diffusion 1.x and 2.x'
    """
    xl = _holds(header, _FIRST_OF_XL) and _holds(header, _SECOND_OF_XL)
    return StableDiffusionXL if xl else StableDiffusion


def _holds(header: Mapping[str, Any], start: str) -> bool:
    return any(key.startswith(start) for key in header)


def find_config(path: Path, header: Mapping[str, Any], config: str | None, hub: Hub) -> Path:
    """The folder with the configurations and the tokenizer that a checkpoint file lacks.

    In this order: the one that was asked for, the folder that the file lies in, the hub's cache,
    the network.

    Args:
        path: the checkpoint.
        header: what check_checkpoint found.
        config: a folder, an alias or a hub id; None for sdxl where there are two text encoders,
            else to choose by the width of the one. 768 means sd15 and 1024 sd21, of which some
            predict v and some epsilon: heard_target finds out which.
        hub: where to look.

    Raises:
        ModelError: there is none; the message says how to get one.
    """
    if config is None and (path.parent / "model_index.json").is_file():
        config = str(path.parent)
    config = config or _published(path, header)
    folder = Path(config).expanduser()
    if folder.is_dir():
        return _fitting(folder, path, header)
    try:
        folder = hub.fetch(
            repositories(config), has_configs, download_configs, pins=commits(config)
        )
    except ModelError:
        repository = repositories(config)[0]
        raise ModelError(
            f"{path.name} comes without configuration and tokenizer, and those of {config} are not "
            f'in the cache: run `hf download {repository} --include "*.json" "*.txt"` once, or '
            "pass a diffusers folder as config"
        ) from None
    return _fitting(folder, path, header)


def _published(path: Path, header: Mapping[str, Any]) -> str:
    """The alias of the model that a checkpoint is most likely made from."""
    if file_family(header) is StableDiffusionXL:
        if marks := [mark for mark in _MARKS if mark in header]:
            raise ModelError(
                f"{path} is marked {' and '.join(marks)}, so it was trained with another noise "
                "schedule than sdxl: pass as config the folder or hub id of the model it is of"
            )
        return "sdxl"
    width = (header.get(_CROSS) or {"shape": (0, 0)})["shape"][-1]
    if width not in _CONFIGS:
        raise ModelError(f"{path} attends to text of width {width}, not 768 or 1024; {SUPPORTED}")
    return _CONFIGS[width]


def _fitting(folder: Path, path: Path, header: Mapping[str, Any]) -> Path:
    """A folder whose configuration is of a checkpoint's family."""
    found, wanted = check_configs(folder), file_family(header)
    if found is not wanted:
        raise ModelError(
            f"{path} is of {wanted.title}, but the configuration in {folder} of {found.title}: "
            "pass another config"
        )
    return folder


def is_second(header: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is of Stable Diffusion 2.x, by the width of text it attends to."""
    return _CROSS in header and header[_CROSS]["shape"][-1] == 1024


def heard_target(prior: NetworkPrior) -> Target:
    """Whether a network says epsilon or v, found by showing it noise at its last time.

    The noise is nearly all of what it is shown there, so a network that says epsilon repeats it,
    and one that says v = alpha eps - sigma z0 does not (cosine similarities of 0.99 and 0.2).
    Stable Diffusion 2.x has networks of both kinds, and their files do not tell them apart.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior = from_pretrained(device="cpu")
        >>> heard_target(prior) == prior.target
        True
    """
    side = prior.native_size // prior.factor
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(1, prior.latent_channels, side, side, generator=rng)
    level = prior.schedule(1.0)
    with torch.no_grad():
        (estimate,) = prior.predict(z, level, [prior.condition(None)])
    said = estimate.eps if prior.target == "epsilon" else level.alpha * estimate.eps
    said = said if prior.target == "epsilon" else said - level.sigma * estimate.z0
    alike = torch.nn.functional.cosine_similarity(said.flatten(), z.flatten(), dim=0)
    return "epsilon" if alike > 0.5 else "v"


def load_file(
    path: Path, dtype: torch.dtype, config: Path, kind: FamilyKind, channels: int
) -> dict[str, Any]:
    """The parts of a checked checkpoint file, by their names.

    Args:
        path: the checkpoint.
        dtype: what its networks shall compute in.
        config: a folder that find_config found.
        kind: the family that file_family found.
        channels: what channels_of found; the configuration may be of a model that does not paint.
    """
    with quiet():
        import diffusers
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        pipeline = getattr(diffusers, kind.pipelines[0])
        options: dict[str, Any] = {"config": str(config), "local_files_only": True}
        try:
            vae = AutoencoderKL.from_single_file(
                str(path), subfolder="vae", torch_dtype=part_dtype(config, "vae", dtype), **options
            )
            unet = UNet2DConditionModel.from_single_file(
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
    return {part: getattr(pipe, part) for part in (*kind.classes, "scheduler")}
