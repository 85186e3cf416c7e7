"""Loading a prior: by name, from a folder or file, or from a pipeline in memory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch

from dreamsampler.models.adapter import Adapters, adapt
from dreamsampler.models.alias import ALIASES, BUNDLED, commits, pin, repositories, suggestion
from dreamsampler.models.codec import Codec
from dreamsampler.models.device import choose_device, choose_dtype
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family
from dreamsampler.models.few_steps import Distillation, few_steps
from dreamsampler.models.folder import (
    check_configs,
    check_weights,
    folder_revision,
    has_configs,
    is_complete,
    load_folder,
    networks,
    variant_of,
)
from dreamsampler.models.hub import Hub, download_configs, download_pipeline
from dreamsampler.models.memory_options import MemoryOptions, Offload
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.preview import check_preview, load_preview
from dreamsampler.models.prior import Prior
from dreamsampler.models.single_file import (
    channels_of,
    check_checkpoint,
    detect_target,
    file_family,
    find_config,
    is_sd2,
    load_file,
)
from dreamsampler.models.weights import fingerprint, read_json, refuse_pickle

_BUNDLED = Path(__file__).parent / "bundled"


@runtime_checkable
class Pretrained(Prior, Protocol):
    """A prior with trained networks: it also has a name, a version and a count of evaluations."""

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
    lora: Sequence[str | Path] | Mapping[str | Path, float] = (),
    textual_inversion: Sequence[str | Path] = (),
    distilled: Distillation | None = None,
    offload: Offload | None = None,
    release_text_encoders: bool = False,
    tiling: int | None = None,
    gradient_checkpointing: bool = False,
    channels_last: bool | None = None,
    compile: bool = False,
    preview: str | Path | None = None,
) -> NetworkPrior:
    """Load a prior from the package, an alias, a folder, a hub repository, or a single file.

    The local cache is tried first, and the network only if the cached model is incomplete. Only
    safetensors are read, and no code that comes with a model is run. No safety checker is loaded.

    Args:
        model: "iconic" (in the package), an alias (`dreamsampler.models.alias`: sd15, sdxl, ...)
            or one at a version (sdxl@COMMIT), a diffusers folder, a hub id "org/name", or a
            .safetensors file of Stable Diffusion 1.x, 2.x or XL, inpainting ones too. A folder that
            is called like an alias is written ./sd15.
        dtype: "float32", "float16" or "bfloat16" for the networks; latents are float32 anyway.
            None or "auto": on CUDA the 16 bits that the family was published in, for all but the
            small bundled model; else float32. On a recent CPU bfloat16 is two to three times
            faster than float32.
        device: None for CUDA if there is one, else MPS, else CPU.
        revision: branch, tag or commit on the hub; None for the commit of the alias
            (`dreamsampler.models.alias.PINS`), or the newest. For a folder or file, the version
            that it must have (`prior.revision`, as in recipes).
        variant: "fp16" for *.fp16.safetensors, where a repository has them.
        config: for a single file only: a folder, alias or hub id of its configuration and
            tokenizer, if it is not simply sd15, sd21 or sdxl.
        cache_dir: another cache than the hub's own.
        token: for private or gated repositories.
        local_files_only: never use the network; None for the value of HF_HUB_OFFLINE.
        lora: .safetensors files of LoRAs, added to the weights; with a mapping, each in its
            strength (1 as it was trained).
        textual_inversion: .safetensors files of learned words, each named by its file.
        distilled: "turbo", "lcm", "lightning" or "none" for a model whose name does not say which
            few levels it was distilled to (`few_steps`).
        offload: see `MemoryOptions`, as are the following ones.
        release_text_encoders: free them at the first call of the network.
        tiling: side of the tiles, in pixels, in which pictures are encoded and decoded.
        gradient_checkpointing: less memory for gradients, for a third more time.
        channels_last: memory layout; None chooses.
        compile: torch.compile the network at its first use.
        preview: a folder or hub id of a tiny autoencoder (TAESD) for `prior.preview`.

    Raises:
        ModelError: one line that says what was given, what is required and what to do.

    Example:
        >>> prior = from_pretrained("iconic", dtype="bfloat16", device="cpu")
        >>> prior.name, prior.dtype, prior.factor
        ('iconic', torch.bfloat16, 8)
    """
    memory = MemoryOptions(
        offload, release_text_encoders, tiling, gradient_checkpointing, channels_last, compile
    )
    memory.check()
    name, revision = _split_revision(str(model), revision)
    hub = Hub(revision, variant, cache_dir, token, local_files_only)
    options = _Options(name, dtype, choose_device(device), revision, hub, memory)
    path = _local(name)
    if path is not None and path.is_file():
        source = _read_file(path, options, config)
    elif config is not None:
        raise ModelError(f"config is for single files, but {name} is none: leave it out")
    else:
        source = _read_folder(path, options)
    small = None if preview is None else load_preview(preview, hub, options.device)
    return _build(source, options, Adapters.of(lora, textual_inversion), small, distilled)


def config_folder(
    model: str | Path, revision: str | None = None, local_files_only: bool | None = None
) -> Path:
    """The folder with a model's configuration and tokenizers; no weights are downloaded.

    Args:
        model: see `from_pretrained`; a single file has no configuration of its own.
        revision: see `from_pretrained`.
        local_files_only: see `from_pretrained`.

    Raises:
        ModelError: it is not available.
    """
    name, revision = _split_revision(str(model), revision)
    path = _local(name)
    if path is not None and path.is_file():
        raise ModelError(f"{path} comes without a configuration: pass a folder, alias or hub id")
    hub = Hub(revision, local_files_only=local_files_only)
    return path or hub.fetch(repositories(name), has_configs, download_configs, pins=commits(name))


class _Options(NamedTuple):
    """The options of `from_pretrained`, with their defaults filled in."""

    name: str
    dtype: str | torch.dtype | None
    device: torch.device
    revision: str | None
    hub: Hub
    memory: MemoryOptions

    def dtype_of(self, kind: type[Family]) -> torch.dtype:
        """The dtype of the networks of a family."""
        return choose_dtype(self.dtype, self.device, self.name == BUNDLED, kind.half)


class _Source(NamedTuple):
    """Of a model: its family, version and settings, and what loads its parts or text encoders."""

    kind: type[Family]
    revision: str
    settings: Mapping[str, Any]
    load: Callable[..., dict[str, Any]]
    scheduler: str = ""
    unknown_target: bool = False


def _split_revision(model: str, revision: str | None) -> tuple[str, str | None]:
    """A model's name and version, also of NAME@REVISION."""
    name, pinned = (model, None) if os.path.exists(model) else pin(model)
    if pinned and revision not in (None, pinned):
        raise ModelError(f"{model} names one revision, and revision is {revision}: leave one out")
    return name, revision or pinned


def _local(model: str) -> Path | None:
    """The folder or file of a model; None for a hub id or an alias of one."""
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


def _read_folder(path: Path | None, options: _Options) -> _Source:
    """A diffusers folder, local or on the hub."""
    hub, name = options.hub, options.name
    folder = path or hub.fetch(
        repositories(name),
        lambda f: is_complete(f, hub.variant),
        download_pipeline,
        pins=commits(name),
    )
    kind = check_configs(folder)
    variant = hub.variant
    if path is None and (variant := variant_of(folder, hub.variant)) != hub.variant:
        warnings.warn(f"{name} is available in {variant} only: it is used", stacklevel=3)
    check_weights(folder, kind, variant)
    revision = folder_revision(folder, kind, variant)
    if path is not None:
        _check_revision(path, options.revision, revision)
    settings = read_json(folder / "model_index.json")
    load = partial(load_folder, folder, kind, options.dtype_of(kind), variant)
    scheduler = read_json(folder / "scheduler/scheduler_config.json").get("_class_name", "")
    return _Source(kind, revision, settings, load, str(scheduler))


def _read_file(path: Path, options: _Options, config: str | Path | None) -> _Source:
    """A single checkpoint file."""
    header = check_checkpoint(path)
    revision = fingerprint([path])
    _check_revision(path, options.revision, revision)
    given = None if config is None else str(config)
    folder = find_config(path, header, given, options.hub.any_version())
    kind = file_family(header)
    dtype, settings = options.dtype_of(kind), read_json(folder / "model_index.json")
    load = partial(load_file, path, dtype, folder, kind, channels_of(header))
    unknown = config is None and is_sd2(header) and folder != path.parent
    return _Source(kind, revision, settings, load, unknown_target=unknown)


def _check_revision(path: Path, required: str | None, revision: str) -> None:
    if required not in (None, revision):
        raise ModelError(
            f"{path} has revision {revision}, but revision is {required}: pass that version of "
            "it, or leave revision out"
        )


def _build(
    source: _Source,
    options: _Options,
    adapters: Adapters,
    small: Codec | None,
    distilled: Distillation | None,
) -> NetworkPrior:
    """The prior of a source: its parts loaded, adapted, frozen, and on their device."""
    parts, memory, kind = source.load(), options.memory, source.kind
    names = [name for name in networks(kind) if name in parts]
    denoiser = next(name for name in names if name in ("unet", "transformer"))
    adapt(parts, adapters, kind)
    try:
        memory.apply({name: parts[name] for name in names}, denoiser, options.device)
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{options.name} does not fit on {options.device}: pass dtype='bfloat16', "
            "offload='model' or device='cpu' (`dreamsampler plan` says what each would take)"
        ) from None

    def encoders() -> dict[str, Any]:
        again = source.load(text_only=True)
        tokenizers = {name: part for name, part in parts.items() if name.startswith("tokenizer")}
        adapt({**tokenizers, **again}, adapters, kind)
        memory.apply(again, denoiser, options.device)
        return again

    family = kind(parts, source.settings)
    check_preview(small, family.latent_channels)
    prior = NetworkPrior(
        family,
        Codec(parts["vae"], memory.tiling),
        name=options.name,
        revision=source.revision,
        owned=True,
        reload=encoders if memory.release_text_encoders else None,
        preview=small,
    )
    if source.unknown_target:
        prior.target = detect_target(prior)
    chosen = {"distilled": distilled, "tiling": memory.tiling, "variant": options.hub.variant}
    prior.added = {**adapters.recipe(), **{k: v for k, v in chosen.items() if v is not None}}
    loras = [path.name for path, _ in adapters.lora]
    few_steps([options.name, *loras], source.scheduler, distilled).apply(prior)
    return prior
