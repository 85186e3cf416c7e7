"""Getting a prior: by name, from a folder or file, or from a pipeline that is already there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from dreamsampler.models.alias import ALIASES, BUNDLED, repositories, suggestion
from dreamsampler.models.errors import ModelError
from dreamsampler.models.folder import (
    PARTS,
    check_configs,
    check_weights,
    folder_revision,
    load_folder,
    whole,
)
from dreamsampler.models.hub import Hub, download_pipeline
from dreamsampler.models.prior import Prior
from dreamsampler.models.single_file import (
    check_checkpoint,
    find_config,
    heard_target,
    is_second,
    load_file,
)
from dreamsampler.models.stable_diffusion import StableDiffusion
from dreamsampler.models.support import SUPPORTED
from dreamsampler.models.weights import fingerprint, refuse_pickle

_BUNDLED = Path(__file__).parent / "bundled"
_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


@runtime_checkable
class Pretrained(Prior, Protocol):
    """A prior with trained networks: it also knows its name, its version, and what it has cost."""

    name: str
    revision: str
    evaluations: int

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        ...


def from_pretrained(
    model: str | Path = BUNDLED,
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    revision: str | None = None,
    variant: str | None = None,
    config: str | Path | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool | None = None,
) -> Pretrained:
    """A prior from the package, an alias, a folder, a hub repository, or a single file.

    The local cache is tried first, and the network only if the model is not whole in there. Only
    safetensors are read, and no code that comes with a model is run. No safety checker is loaded.

    Args:
        model: "iconic" (in the package), an alias (sd14, sd15, sd20, sd20-base, sd21, sd21-base),
            a diffusers folder, a hub id "org/name", or a .safetensors file. A folder that is
            called like an alias is written ./sd15.
        dtype: "float32", "float16" or "bfloat16" for the networks; latents are float32 anyway.
            None or "auto": float16 on CUDA for all but the small bundled model, else float32. On a
            recent CPU bfloat16 is two to three times faster than float32.
        device: None for CUDA if there is one, else MPS, else CPU.
        revision: branch, tag or commit on the hub. For a folder or file, the version that it must
            have (`prior.revision`, as recipes hold it).
        variant: "fp16" for *.fp16.safetensors, where a repository has them.
        config: for a single file only: a folder, alias or hub id whose configuration and tokenizer
            belong to it, if it is not plainly sd15 or sd21.
        cache_dir: another cache than the hub's own.
        token: for private or gated repositories.
        local_files_only: never ask the network; None for what HF_HUB_OFFLINE says.

    Raises:
        ModelError: one line that says what came, what was wanted and what to do.

    Example:
        >>> prior = from_pretrained("iconic", dtype="bfloat16", device="cpu")
        >>> prior.name, prior.dtype, prior.factor
        ('iconic', torch.bfloat16, 8)
    """
    text = str(model)
    where = choose_device(device)
    kind = choose_dtype(dtype, where, small=text == BUNDLED)
    hub = Hub(revision, variant, cache_dir, token, local_files_only)
    path = _local(text)
    if path is not None and path.is_file():
        header = check_checkpoint(path)
        version = _expect(path, revision, fingerprint([path]))
        folder = find_config(path, header, None if config is None else str(config), _anywhere(hub))
        prior = _prior(load_file(path, kind, folder), where, text, version)
        if config is None and is_second(header) and folder != path.parent:
            prior.target = heard_target(prior)
        return prior
    if config is not None:
        raise ModelError(f"config is for single files, but {text} is none: leave it out")
    folder = path or hub.fetch(repositories(text), lambda f: whole(f, variant), download_pipeline)
    check_configs(folder)
    check_weights(folder, variant)
    version = folder_revision(folder, variant)
    if path is not None:
        _expect(path, revision, version)
    return _prior(load_folder(folder, kind, variant), where, text, version)


def from_pipe(pipeline: Any) -> Pretrained:
    """A prior around the networks of a diffusers pipeline that is already loaded.

    The very same modules: no weight is copied, moved, cast, or set to require gradients or not.
    What happens to the pipeline later (a LoRA, `pipeline.to`, offloading) happens to the prior, so
    prompts are encoded anew each time they are asked for. Weights that require gradients get none
    from here; with gradient checkpointing on, freeze them first (`unet.requires_grad_(False)`).

    Args:
        pipeline: a StableDiffusionPipeline or another one with the same five parts (image to
            image, for one).

    Raises:
        ModelError: another family of pipelines.

    Example:
        >>> prior = from_pipe(StableDiffusionPipeline.from_pretrained(...))    # doctest: +SKIP
    """
    names = (*PARTS, "tokenizer", "scheduler")
    missing = [name for name in names if getattr(pipeline, name, None) is None]
    second = getattr(pipeline, "text_encoder_2", None) is not None
    if missing or second:
        why = "has a second text encoder" if second else f"has no {missing[0]}"
        raise ModelError(f"{type(pipeline).__name__} {why}: {SUPPORTED}")
    return StableDiffusion(
        **{name: getattr(pipeline, name) for name in names},
        name=str(getattr(pipeline, "name_or_path", None) or type(pipeline).__name__),
        revision=_weights_revision(pipeline.unet),
    )


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device that was asked for, if it is there; None for the best one.

    Raises:
        ModelError: no such device.
    """
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is None:
        return torch.device("cuda" if has["cuda"] else "mps" if has["mps"] else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, ValueError):
        raise ModelError(
            f"device is {str(device)!r}, but must be cpu, cuda, cuda:0, ..., or mps"
        ) from None
    if not has.get(chosen.type, True):
        raise ModelError(
            f"device is {str(chosen)!r}, but this PyTorch sees none: pass "
            f"{' or '.join(repr(name) for name, there in has.items() if there)}"
        )
    return chosen


def choose_dtype(
    dtype: str | torch.dtype | None, device: torch.device, small: bool = False
) -> torch.dtype:
    """The dtype that was asked for, if the device is good at it; None or "auto" for its default.

    Args:
        dtype: its name, or itself.
        device: where the network will compute.
        small: a model so small that float16 saves nothing.

    Raises:
        ModelError: no such dtype, or float16 on a CPU.
    """
    if dtype is None or dtype == "auto":
        return torch.float16 if device.type == "cuda" and not small else torch.float32
    chosen = _DTYPES.get(str(dtype).removeprefix("torch."))
    if chosen is None:
        raise ModelError(f"dtype is {str(dtype)!r}, but must be float32, float16, bfloat16 or auto")
    if chosen == torch.float16 and device.type == "cpu":
        raise ModelError(
            "dtype is float16, which a CPU is slow and inexact at: pass bfloat16 (fast, half the "
            "memory) or float32"
        )
    return chosen


def _local(model: str) -> Path | None:
    """The folder or file that a model is in; None for a hub id or an alias of one."""
    if model == BUNDLED:
        if not (_BUNDLED / "model_index.json").is_file():
            raise ModelError("the model 'iconic' is not in this installation: pass another model")
        return _BUNDLED
    if model in ALIASES:
        return None
    path = Path(model).expanduser()
    refuse_pickle(path)
    if model and os.path.isdir(path):
        return path
    if os.path.isfile(path):
        if path.suffix.lower() != ".safetensors":
            raise ModelError(f"{path} is no model: pass a .safetensors file or a diffusers folder")
        return path
    if path.suffix.lower() == ".safetensors" or model.startswith((".", "/", "~")):
        raise ModelError(f"there is no file or folder {model}: check the path")
    if model.count("/") != 1:
        raise ModelError(
            f"there is no model {model!r}, neither by that name nor as a file, a folder or a hub "
            f"id org/name: {suggestion(model)}"
        )
    return None


def _expect(path: Path, wanted: str | None, found: str) -> str:
    """The version of a local model, if it is the one that was wanted."""
    if wanted is not None and wanted != found:
        raise ModelError(
            f"{path} has revision {found}, but {wanted} was asked for: pass that version of it, "
            "or leave revision out"
        )
    return found


def _anywhere(hub: Hub) -> Hub:
    """The hub for a file's configuration, whose versions are not the file's."""
    return Hub(None, None, hub.cache_dir, hub.token, hub.local_files_only)


def _prior(
    parts: dict[str, Any], device: torch.device, name: str, revision: str
) -> StableDiffusion:
    """The loaded parts, frozen, in the fast memory layout, on their device."""
    try:
        for part in PARTS:
            parts[part].eval().requires_grad_(False).to(device)
        for part in ("unet", "vae"):  # in float32 it gains nothing and rounds differently
            if parts[part].dtype != torch.float32:
                parts[part].to(memory_format=torch.channels_last)
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{name} does not fit on {device}: pass dtype='float16' or device='cpu'"
        ) from None
    return StableDiffusion(**parts, name=name, revision=revision, owned=True)


def _weights_revision(unet: Any) -> str:
    """A short name for the version of a network in memory: its first numbers, everywhere."""
    digest = hashlib.sha256()
    for key, weight in sorted(unet.state_dict().items()):
        digest.update(f"{key}{tuple(weight.shape)}".encode())
        if not weight.is_meta:
            digest.update(weight.detach().flatten()[:16].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
