"""Getting a prior: by name, from a folder or file, or from a pipeline that is already there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import torch

from dreamsampler.models.adapter import Adapters, adapt
from dreamsampler.models.alias import ALIASES, BUNDLED, commits, pin, repositories, suggestion
from dreamsampler.models.codec import Codec
from dreamsampler.models.device import choose_device, choose_dtype
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families import FAMILIES
from dreamsampler.models.family import FamilyKind
from dreamsampler.models.few_steps import Distillation, few_steps
from dreamsampler.models.folder import (
    check_configs,
    check_weights,
    folder_revision,
    has_configs,
    is_text,
    load_folder,
    networks,
    ready,
    told_variant,
)
from dreamsampler.models.hub import Hub, download_configs, download_pipeline
from dreamsampler.models.memory_options import MemoryOptions, Offload
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.preview import check_preview, load_preview
from dreamsampler.models.prior import Prior
from dreamsampler.models.single_file import (
    channels_of,
    check_checkpoint,
    file_family,
    find_config,
    heard_target,
    is_second,
    load_file,
)
from dreamsampler.models.support import SUPPORTED
from dreamsampler.models.weights import fingerprint, memory_revision, read_json, refuse_pickle

_BUNDLED = Path(__file__).parent / "bundled"


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
    """A prior from the package, an alias, a folder, a hub repository, or a single file.

    The local cache is tried first, and the network only if the model is not whole in there. Only
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
        revision: branch, tag or commit on the hub; None for the commit that an alias is pinned to
            (`dreamsampler.models.alias.PINS`), or the newest. For a folder or file, the version
            that it must have (`prior.revision`, as recipes hold it).
        variant: "fp16" for *.fp16.safetensors, where a repository has them.
        config: for a single file only: a folder, alias or hub id whose configuration and tokenizer
            belong to it, if it is not plainly sd15, sd21 or sdxl.
        cache_dir: another cache than the hub's own.
        token: for private or gated repositories.
        local_files_only: never ask the network; None for what HF_HUB_OFFLINE says.
        lora: .safetensors files of low-rank changes, added to the weights; with a mapping, each in
            its strength (1 as it was trained).
        textual_inversion: .safetensors files of learned words, each named by its file.
        distilled: "turbo", "lcm", "lightning" or "none" for a model whose name does not say which
            few levels it was distilled to (`few_steps`).
        offload: see `Means`, as are the following ones.
        release_text_encoders: forget them once the network is asked.
        tiling: side of the tiles, in pixels, in which pictures are encoded and decoded.
        gradient_checkpointing: less memory for gradients, for a third more time.
        channels_last: memory layout; None chooses.
        compile: torch.compile the network at its first use.
        preview: a folder or hub id of a tiny autoencoder (TAESD) that `prior.preview` uses.

    Raises:
        ModelError: one line that says what came, what was wanted and what to do.

    Example:
        >>> prior = from_pretrained("iconic", dtype="bfloat16", device="cpu")
        >>> prior.name, prior.dtype, prior.factor
        ('iconic', torch.bfloat16, 8)
    """
    means = MemoryOptions(
        offload, release_text_encoders, tiling, gradient_checkpointing, channels_last, compile
    )
    means.check()
    text, revision = _named(str(model), revision)
    hub = Hub(revision, variant, cache_dir, token, local_files_only)
    asked = _Asked(text, dtype, choose_device(device), revision, hub, means)
    source = _source(asked, config)
    small = None if preview is None else load_preview(preview, hub, asked.device)
    return _prior(source, asked, Adapters.of(lora, textual_inversion), small, distilled)


def small_files(
    model: str | Path, revision: str | None = None, local_files_only: bool | None = None
) -> Path:
    """The folder with a model's configuration and tokenizers; no weight is read or fetched.

    Args:
        model: see `from_pretrained`; a single file has no configuration of its own.
        revision: see `from_pretrained`.
        local_files_only: see `from_pretrained`.

    Raises:
        ModelError: it cannot be had.
    """
    name, revision = _named(str(model), revision)
    path = _local(name)
    if path is not None and path.is_file():
        raise ModelError(f"{path} comes without a configuration: pass a folder, alias or hub id")
    hub = Hub(revision, None, None, None, local_files_only)
    return path or hub.fetch(repositories(name), has_configs, download_configs, pins=commits(name))


def _named(model: str, revision: str | None) -> tuple[str, str | None]:
    """A model's name and the version of it that is wanted, be it said as NAME@REVISION."""
    name, pinned = (model, None) if os.path.exists(model) else pin(model)
    if pinned and revision not in (None, pinned):
        raise ModelError(f"{model} names one revision, but {revision} is asked for: leave one out")
    return name, revision or pinned


def _source(asked: _Asked, config: str | Path | None) -> _Source:
    """The parts of a model, from wherever its name leads."""
    path = _local(asked.name)
    if path is not None and path.is_file():
        return _from_file(path, asked, config)
    if config is not None:
        raise ModelError(f"config is for single files, but {asked.name} is none: leave it out")
    return _from_folder(path, asked)


@final
@dataclass(frozen=True)
class _Asked:
    """What was asked for, decided."""

    name: str
    dtype: str | torch.dtype | None
    device: torch.device
    revision: str | None
    hub: Hub
    means: MemoryOptions

    def kind(self, half: torch.dtype) -> torch.dtype:
        """The dtype of the networks, for a family of such 16 bits."""
        return choose_dtype(self.dtype, self.device, self.name == BUNDLED, half)


@final
@dataclass(frozen=True)
class _Source:
    """A model's parts in main memory, and how to get its text encoders once more."""

    family: FamilyKind
    parts: dict[str, Any]
    settings: Mapping[str, Any]
    revision: str
    encoders: Callable[[], dict[str, Any]]
    scheduler: str = ""
    heard: bool = False


def _from_folder(path: Path | None, asked: _Asked) -> _Source:
    """The parts of a diffusers folder, from here or from the hub."""
    hub, name = asked.hub, asked.name
    folder = path or hub.fetch(
        repositories(name), lambda f: ready(f, hub.variant), download_pipeline, pins=commits(name)
    )
    family = check_configs(folder)
    variant = hub.variant if path else told_variant(folder, hub.variant, name)
    check_weights(folder, family, variant)
    version = folder_revision(folder, family, variant)
    if path is not None:
        _expect(path, asked.revision, version)
    kind, settings = asked.kind(family.half), read_json(folder / "model_index.json")
    parts = load_folder(folder, family, kind, variant)
    others = tuple(part for part in networks(family) if not is_text(part))

    def encoders() -> dict[str, Any]:
        return load_folder(folder, family, kind, variant, without=others)

    scheduler = read_json(folder / "scheduler/scheduler_config.json").get("_class_name", "")
    return _Source(family, parts, settings, version, encoders, str(scheduler))


def _from_file(path: Path, asked: _Asked, config: str | Path | None) -> _Source:
    """The parts of a single checkpoint file."""
    header, hub = check_checkpoint(path), asked.hub
    version = _expect(path, asked.revision, fingerprint([path]))
    anywhere = Hub(None, None, hub.cache_dir, hub.token, hub.local_files_only)
    folder = find_config(path, header, None if config is None else str(config), anywhere)
    family = file_family(header)
    kind, settings = asked.kind(family.half), read_json(folder / "model_index.json")
    load = partial(load_file, path, kind, folder, family, channels_of(header))

    def encoders() -> dict[str, Any]:
        return {name: part for name, part in load().items() if is_text(name)}

    heard = config is None and is_second(header) and folder != path.parent
    parts = load()
    return _Source(family, parts, settings, version, encoders, heard=heard)


def from_pipe(pipeline: Any) -> NetworkPrior:
    """A prior around the networks of a diffusers pipeline that is already loaded.

    The very same modules: no weight is copied, moved, cast, or set to require gradients or not.
    What happens to the pipeline later (a LoRA, `pipeline.to`, offloading) happens to the prior, so
    prompts are encoded anew each time they are asked for. Weights that require gradients get none
    from here; with gradient checkpointing on, freeze them first (`unet.requires_grad_(False)`).

    Args:
        pipeline: one of a family in `dreamsampler.models.families`, or another one with the same
            parts.

    Raises:
        ModelError: another family of pipelines.

    Example:
        >>> prior = from_pipe(StableDiffusionPipeline.from_pretrained(...))    # doctest: +SKIP
    """
    family = _family_of_parts(pipeline)
    parts = {
        name: part
        for name in (*family.classes, "scheduler")
        if (part := getattr(pipeline, name, None)) is not None
    }
    name = str(getattr(pipeline, "name_or_path", None) or type(pipeline).__name__)
    spoken = family(parts, dict(getattr(pipeline, "config", None) or {}))
    prior = NetworkPrior(
        spoken, Codec(parts["vae"]), name=name, revision=memory_revision(spoken.network)
    )
    few_steps([name], type(pipeline.scheduler).__name__).apply(prior)
    return prior


def _family_of_parts(pipeline: Any) -> FamilyKind:
    """The family that a pipeline is of, by its name or else by its parts."""
    name = type(pipeline).__name__
    named = next((kind for kind in FAMILIES if name in kind.pipelines), None)
    for kind in (named,) if named is not None else FAMILIES:
        wanted = [n for n in (*kind.classes, "scheduler") if n not in kind.optional]
        missing = [n for n in wanted if getattr(pipeline, n, None) is None]
        fits = all(
            type(getattr(pipeline, n)).__name__ in kind.classes[n]
            for n in networks(kind)
            if getattr(pipeline, n, None) is not None
        )
        if not missing and (named is not None or fits):
            return kind
        if named is not None:
            raise ModelError(f"{name} has no {missing[0]}: {SUPPORTED}")
    raise ModelError(f"{name} has not the parts of any known family: {SUPPORTED}")


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


def _prior(
    source: _Source,
    asked: _Asked,
    changes: Adapters,
    small: Codec | None,
    distilled: Distillation | None,
) -> NetworkPrior:
    """The loaded parts, changed, frozen, in place, and spoken to."""
    parts, means = source.parts, asked.means
    names = [name for name in networks(source.family) if name in parts]
    denoiser = next(name for name in names if name in ("unet", "transformer"))
    adapt(parts, changes, source.family)
    _settle({name: parts[name] for name in names}, denoiser, asked)

    def encoders() -> dict[str, Any]:
        again = source.encoders()
        words = {name: part for name, part in parts.items() if name.startswith("tokenizer")}
        adapt({**words, **again}, changes, source.family)
        means.settle(again, denoiser, asked.device)
        return again

    family = source.family(parts, source.settings)
    check_preview(small, family.latent_channels)
    prior = NetworkPrior(
        family,
        Codec(parts["vae"], means.tiling),
        name=asked.name,
        revision=source.revision,
        owned=True,
        reload=encoders if means.release_text_encoders else None,
        preview=small,
    )
    if source.heard:
        prior.target = heard_target(prior)
    loras = [path.name for path, _ in changes.lora]
    loaded = {"distilled": distilled, "tiling": means.tiling, "variant": asked.hub.variant}
    prior.added = {**changes.told(), **{k: v for k, v in loaded.items() if v is not None}}
    few_steps([asked.name, *loras], source.scheduler, distilled).apply(prior)
    return prior


def _settle(parts: Mapping[str, Any], denoiser: str, asked: _Asked) -> None:
    """Networks frozen and in place, or one line that says that they do not fit."""
    try:
        asked.means.settle(parts, denoiser, asked.device)
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{asked.name} does not fit on {asked.device}: pass dtype='bfloat16', "
            "offload='model' or device='cpu' (`dreamsampler plan` says what each would take)"
        ) from None
