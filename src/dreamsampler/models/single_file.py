"""A model in one .safetensors or .gguf file, as it is shared for other programs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from dreamsampler.files import one_line
from dreamsampler.maths import Target
from dreamsampler.models.alias import ALIASES, commits, repositories
from dreamsampler.models.errors import ModelError
from dreamsampler.models.folder import (
    check_configs,
    class_name,
    class_of,
    has_configs,
    is_text,
    load_network,
    networks,
    part_dtype,
)
from dreamsampler.models.hub import Hub, download_configs
from dreamsampler.models.libraries import quiet
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.pipeline import pipeline_class
from dreamsampler.models.weights import read_header, weight_files

_STARTS = {
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": ("cond_stage_model.", "conditioner.", "text_encoders."),
}
_ADDED = {
    "lora_": "a LoRA: pass it as lora, beside its model",
    "unet.": "a LoRA: pass it as lora, beside its model",
    "control_model.": "a ControlNet: pass a diffusers folder of it as controlnet, beside its model",
    "ip_adapter.": "an IP-Adapter: pass it as ip_adapter, beside its model",
    "down_blocks.": "a bare UNet: pass the whole diffusers folder",
    "encoder.": "a bare autoencoder",
    "decoder.": "a bare autoencoder",
}
_T5 = "text_encoders.t5xxl."


def file_kind(path: Path) -> tuple[str, Mapping[str, Any]]:
    """What diffusers takes a file for ("v1", "xl_base", "flux-dev", ...), and its header.

    The weights are not read, so that a refusal is immediate.

    Raises:
        ModelError: it is no model.
    """
    header = read_header(path)
    for start, kind in _ADDED.items():
        if _has(header, start):
            raise ModelError(f"{path} is {kind}")
    with quiet():
        tools: Any = import_module("diffusers.loaders.single_file_utils")
        shapes = {key: torch.empty(entry["shape"], device="meta") for key, entry in header.items()}
        kind = tools.infer_diffusers_model_type(shapes)
    if kind == "v1" and _has(header, "conditioner.embedders.1."):
        kind = "xl_base"  # with a smaller encoder than the published one
    if kind == "v1" and tools.CHECKPOINT_KEY_NAMES["inpainting"] not in header:
        raise ModelError(f"{path} holds no model that diffusers knows: pass a diffusers folder")
    return kind, header


def _has(header: Mapping[str, Any], *starts: str) -> bool:
    return bool(starts) and any(key.startswith(starts) for key in header)


def find_config(path: Path, kind: str, config: str | None, hub: Hub) -> Path:
    """The folder with the configurations and tokenizers that a checkpoint file lacks.

    In this order: the given one, the folder that the file lies in, the hub's cache, the network.

    Args:
        kind: what diffusers takes it for; decides where there is no config.
        config: a folder, an alias or a hub id; None for what diffusers takes.

    Raises:
        ModelError: there is none; the message says how to get one.
    """
    if config is None and (path.parent / "model_index.json").is_file():
        config = str(path.parent)
    if config is None:
        tools: Any = import_module("diffusers.loaders.single_file_utils")
        config = str(tools.DIFFUSERS_DEFAULT_PIPELINE_PATHS[kind]["pretrained_model_name_or_path"])
        config = next((alias for alias, names in ALIASES.items() if config in names), config)
    folder = Path(config).expanduser()
    if not folder.is_dir():
        try:
            names, pins = repositories(config), commits(config)
            folder = hub.fetch(names, has_configs, download_configs, pins=pins)
        except ModelError:
            raise ModelError(
                f"{path.name} comes without configuration and tokenizer, and those of {config} are "
                f"not in the cache: run `hf download {repositories(config)[0]} --include "
                '"*.json" "*.txt" "*.model"` once, or pass a diffusers folder as config'
            ) from None
    check_configs(folder)
    return folder


def load_file(
    path: Path,
    folder: Path,
    header: Mapping[str, Any],
    dtype: torch.dtype,
    *,
    name: str | None = None,
    parts: Mapping[str, Any] | None = None,
) -> Any:
    """A pipeline from a checkpoint file; what the file lacks comes from its configuration's folder.

    Args:
        header: of a safetensors file; empty for a GGUF file, which holds the denoiser only.
        name: a class of diffusers; None for the folder's own.
        parts: components that are already loaded.

    Raises:
        ModelError: a part is missing, or the file belongs to another model.
    """
    cls = pipeline_class(name or class_name(folder))
    given, takes = dict(parts or {}), inspect.signature(cls.__init__).parameters
    options: dict[str, Any] = {"config": str(folder), "local_files_only": True}
    with quiet():
        try:
            for part in networks(folder):
                kind = class_of(folder, part)
                if part in given or part not in takes:
                    continue
                inside = part in ("unet", "transformer") or _has(header, *_STARTS.get(part, ()))
                if inside and not is_text(part) and hasattr(kind, "from_single_file"):
                    given[part] = kind.from_single_file(
                        str(path),
                        subfolder=part,
                        torch_dtype=part_dtype(folder, part, dtype),
                        **options,
                        **_denoiser_options(path, part, header, dtype),
                    )
                    continue
                starts = (_T5,) if part == "text_encoder_3" else _STARTS["text_encoder"]
                if is_text(part) and _has(header, *starts):
                    continue
                given[part] = _stored(path, folder, part, dtype, cls._optional_components)
            if "safety_checker" in takes:
                given |= {"safety_checker": None, "feature_extractor": None}
            pipe: Any = cls.from_single_file(str(path), torch_dtype=dtype, **options, **given)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{path} cannot be loaded: {one_line(error)}") from None
    for part, module in pipe.components.items():
        if isinstance(module, torch.nn.Module) and any(w.is_meta for w in module.parameters()):
            raise ModelError(
                f"{path} lacks weights of its {part}: {folder} belongs to another model"
            )
    _mark_scheduler(pipe, header)
    return pipe


def _denoiser_options(
    path: Path, part: str, header: Mapping[str, Any], dtype: torch.dtype
) -> dict[str, Any]:
    """Input channels of a UNet, since the configuration may be of another model; GGUF's types."""
    first = header.get("model.diffusion_model.input_blocks.0.0.weight")
    if part == "unet" and first is not None:
        return {"in_channels": first["shape"][1]}
    if path.suffix.lower() == ".gguf":
        diffusers: Any = import_module("diffusers")
        return {"quantization_config": diffusers.GGUFQuantizationConfig(compute_dtype=dtype)}
    return {}


def _stored(path: Path, folder: Path, part: str, dtype: torch.dtype, optional: Any) -> Any:
    """A part that a file lacks, from the folder; None for an optional one that this lacks, too."""
    if weight_files(folder / part):
        precision = part_dtype(folder, part, dtype)
        return load_network(class_of(folder, part), folder / part, precision)
    if part in optional:
        return None
    raise ModelError(
        f"{path.name} holds no {part}, and {folder} has no weights of it: pass as config the whole "
        "folder, alias or hub id of its model"
    )


def _mark_scheduler(pipe: Any, header: Mapping[str, Any]) -> None:
    """A file of a model that was trained to predict v, or to start at noise alone, may say so."""
    marks = {
        "v_pred": {"prediction_type": "v_prediction"},
        "ztsnr": {"rescale_betas_zero_snr": True},
    }
    changes = {k: v for mark, entry in marks.items() if mark in header for k, v in entry.items()}
    if changes:
        config = {**pipe.scheduler.config, **changes}
        known = inspect.signature(type(pipe.scheduler).__init__).parameters
        kind = type(pipe.scheduler)
        if not set(changes) <= set(known):  # all that have these take the same table
            kind = import_module("diffusers").DDIMScheduler
        pipe.scheduler = kind.from_config(config)


def detect_target(prior: NetworkPrior) -> Target:
    """Whether a network predicts epsilon or v, by its output for noise at the last time.

    There its input is nearly all noise, so a network that predicts epsilon repeats it, and
    one that predicts v = alpha eps - sigma z0 does not (cosine similarities of 0.99 and 0.2).
    Stable Diffusion has networks of both kinds, and their files rarely tell them apart.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior = from_pretrained(device="cpu")
        >>> detect_target(prior) == prior.target
        True
    """
    side = min(prior.native_size // prior.factor, 64)
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
