"""Loading a prior: by name, from a folder or file, or from a pipeline in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch

from dreamsampler.files import one_line
from dreamsampler.models.adapter import Adapters
from dreamsampler.models.alias import BUNDLED, PHOTO, commits, repositories
from dreamsampler.models.codec import Codec
from dreamsampler.models.describe import recorded
from dreamsampler.models.device import choose_device, choose_dtype, has_bfloat16
from dreamsampler.models.driven.arguments import read_call
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import check_start
from dreamsampler.models.few_steps import Distillation, few_steps
from dreamsampler.models.folder import (
    check_configs,
    check_weights,
    class_name,
    components,
    folder_revision,
    is_complete,
    is_text,
    native_family,
    variant_of,
)
from dreamsampler.models.hub import Hub, download_pipeline, fetch_network
from dreamsampler.models.libraries import quiet
from dreamsampler.models.memory_options import MemoryOptions, Offload
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.pipe import from_pipe, native
from dreamsampler.models.pipeline import (
    add_image_prompt,
    check_control,
    control_class,
    load_control,
    load_pipeline,
    pipeline_class,
)
from dreamsampler.models.prior import Prior
from dreamsampler.models.single_file import detect_target, file_kind, find_config, load_file
from dreamsampler.models.source import local_path, split_revision
from dreamsampler.models.weights import fingerprint, read_json
from dreamsampler.models.words import read_words, split_words


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
    pipeline: str | None = None,
    controlnet: str | Path | Sequence[str | Path] | None = None,
    ip_adapter: str | Path | None = None,
    quantization_config: Any = None,
    **call: Any,
) -> NetworkPrior:
    """Load a prior from the package, an alias, a folder, a hub repository, or a single file.

    The local cache is tried first, and the network only if the cached model is incomplete. Only
    safetensors are read, and no code that comes with a model is run. No safety checker is loaded.

    Args:
        model: "iconic" or "photo" (in the package), an alias (`dreamsampler.models.alias`: sd15,
            sdxl, ...) or one at a version (sdxl@COMMIT), a diffusers folder of any pipeline, a hub
            id "org/name", or a .safetensors file of any model that diffusers reads from one (or a
            .gguf file of its transformer, with `config`). A folder that is called like an alias is
            written ./sd15.
        dtype: "float32", "float16" or "bfloat16" for the networks; latents are float32 anyway.
            None or "auto": on CUDA the 16 bits that the family was published in, for all but the
            bundled models; else float32, for photo bfloat16 on a CPU with instructions for it (two
            to three times as fast; photo loses less than 0.01 dB).
        device: None for CUDA if there is one, else MPS, else CPU.
        revision: branch, tag or commit on the hub; None for the commit of the alias
            (`dreamsampler.models.alias.PINS`), or the newest. For a folder or file, the version
            that it must have (`prior.revision`, as in recipes).
        variant: "fp16" for *.fp16.safetensors, where a repository has them.
        config: for a single file only: a folder, alias or hub id of its configuration and
            tokenizer, and of what it lacks, if it is not what diffusers takes it for.
        cache_dir: another cache than the hub's own.
        token: for private or gated repositories.
        local_files_only: never use the network; None for the value of HF_HUB_OFFLINE.
        lora: .safetensors files of LoRAs, added to the weights; with a mapping, each in its
            strength (1 as it was trained).
        textual_inversion: .safetensors files of learned words, each named by its file.
        distilled: "turbo", "lcm", "lightning" or "none" for a model whose name does not say which
            few levels it was distilled to (`few_steps`).
        offload: see `MemoryOptions`.
        release_text_encoders: see `MemoryOptions`.
        tiling: see `MemoryOptions`.
        gradient_checkpointing: see `MemoryOptions`.
        channels_last: see `MemoryOptions`.
        compile: see `MemoryOptions`.
        preview: a folder or hub id of a tiny autoencoder (TAESD) for `prior.preview`.
        pipeline: a class of diffusers, such as "StableDiffusionXLPAGPipeline", in place of the one
            that the model names.
        controlnet: folder or hub id of a control network (ControlNet, T2I-Adapter), or a list.
        ip_adapter: .safetensors file of an IP-Adapter, local or org/name/folder/FILE; its image
            encoder lies in a folder image_encoder beside.
        quantization_config: diffusers' PipelineQuantizationConfig, or a mapping of its arguments.
        call: arguments of the pipeline's call that hold for every prompt (`from_pipe`), such as
            image=PICTURE for a control network.

    Raises:
        ModelError: one line that says what was given, what is required and what to do.

    Example:
        >>> prior = from_pretrained("iconic", dtype="bfloat16", device="cpu")
        >>> prior.name, prior.dtype, prior.factor
        ('iconic', torch.bfloat16, 16)
    """
    memory = MemoryOptions(
        offload, release_text_encoders, tiling, gradient_checkpointing, channels_last, compile
    )
    memory.check()
    name, revision = split_revision(str(model), revision)
    hub = Hub(revision, variant, cache_dir, token, local_files_only)
    adapters = Adapters.of(lora, textual_inversion)
    options = _Options(
        name,
        dtype,
        choose_device(device),
        revision,
        hub,
        memory,
        adapters,
        pipeline,
        controlnet,
        ip_adapter,
        quantization_config,
        call,
    )
    path = local_path(name)
    if path is not None and path.is_file():
        source = _read_file(path, options, config)
    elif config is not None:
        raise ModelError(f"config is for single files, but {name} is none: leave it out")
    else:
        source = _read_folder(path, options)
    small = None if preview is None else _load_preview(preview, hub, options.device)
    try:
        prior = _build(source, options)
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{name} does not fit on {options.device}: pass dtype='bfloat16', "
            "offload='model' or device='cpu' (`dreamsampler plan` says what each would take)"
        ) from None
    if small is not None and (own := small.vae.config.latent_channels) != prior.latent_channels:
        raise ModelError(
            f"the tiny autoencoder for previews has latents of {own} channels, but those of the "
            f"model have {prior.latent_channels}: pass the TAESD of its family"
        )
    prior.name, prior.revision, prior.small = name, source.revision, small
    chosen = {"distilled": distilled, "tiling": tiling, "variant": variant, "pipeline": pipeline}
    if (words := read_words(source.folder)) and not adapters.lora:
        prior.words = words.union(*(split_words(path.stem) for path in adapters.words))
    prior.added |= adapters.recipe() | {k: v for k, v in chosen.items() if v is not None}
    prior.added |= recorded(controlnet, ip_adapter, quantization_config, hub)
    scheduler = read_json(source.folder / "scheduler/scheduler_config.json").get("_class_name", "")
    few_steps([name, *(file.name for file, _ in adapters.lora)], str(scheduler), distilled).apply(
        prior
    )
    return prior


def _load_preview(model: str | Path, hub: Hub, device: torch.device) -> Codec:
    """A TAESD: an autoencoder of a few MB that decodes another one's latents well enough to see."""
    folder = fetch_network(model, hub)
    try:
        with quiet():
            vae: Any = import_module("diffusers").AutoencoderTiny.from_pretrained(
                folder, use_safetensors=True, local_files_only=True
            )
    except Exception as error:
        raise ModelError(f"{model} is no tiny autoencoder: {one_line(error)}") from None
    return Codec(vae.eval().requires_grad_(False).to(device))


class _Options(NamedTuple):
    """The options of `from_pretrained`, with their defaults filled in."""

    name: str
    dtype: str | torch.dtype | None
    device: torch.device
    revision: str | None
    hub: Hub
    memory: MemoryOptions
    adapters: Adapters
    pipeline: str | None
    controlnet: str | Path | Sequence[str | Path] | None
    ip_adapter: str | Path | None
    quantization_config: Any
    call: Mapping[str, Any]

    @property
    def plain(self) -> bool:
        """Whether nothing is asked for that an adapter of our own does not do."""
        options = (self.pipeline, self.controlnet, self.ip_adapter, self.quantization_config)
        return not self.call and all(each is None for each in options)

    def dtype_in(self, folder: Path) -> torch.dtype:
        """The dtype of the networks of a model's folder."""
        kind = native_family(folder)
        half = torch.bfloat16 if kind is None else kind.half
        if self.name == PHOTO and self.dtype in (None, "auto") and self.device.type == "cpu":
            return torch.bfloat16 if has_bfloat16() else torch.float32
        return choose_dtype(self.dtype, self.device, self.name in (BUNDLED, PHOTO), half)


class _Source(NamedTuple):
    """A model's version, the folder with its configuration, and what loads its pipeline."""

    revision: str
    folder: Path
    pipe: Callable[..., Any]  # (name=None, parts=None) -> of a class, with some parts loaded
    unknown_target: bool = False  # nothing says whether the network predicts epsilon or v


def _read_folder(path: Path | None, options: _Options) -> _Source:
    """A diffusers folder, local or on the hub."""
    hub, name = options.hub, options.name
    folder = path or hub.fetch(
        repositories(name),
        lambda f: is_complete(f, hub.variant),
        download_pipeline,
        pins=commits(name),
    )
    check_configs(folder)
    if (variant := variant_of(folder, hub.variant)) != hub.variant:
        warnings.warn(f"{name} is available in {variant} only: it is used", stacklevel=3)
    check_weights(folder, variant)
    revision = folder_revision(folder, variant)
    if path is not None:
        _check_revision(path, options.revision, revision)
    quantized = {"quantization_config": options.quantization_config}
    dtype = options.dtype_in(folder)
    pipe = partial(load_pipeline, folder, dtype=dtype, variant=variant, **quantized)
    return _Source(revision, folder, pipe)


def _read_file(path: Path, options: _Options, config: str | Path | None) -> _Source:
    """A single checkpoint file."""
    if options.quantization_config is not None:
        raise ModelError("quantization_config is for folders and hub ids, not for a single file")
    gguf = path.suffix.lower() == ".gguf"
    if gguf and config is None:
        raise ModelError(f"{path} holds a transformer only: pass as config the folder of its model")
    what, header = ("gguf", {}) if gguf else file_kind(path)
    revision = fingerprint([path])
    _check_revision(path, options.revision, revision)
    given = None if config is None else str(config)
    folder = find_config(path, what, given, options.hub.any_version())
    pipe = partial(load_file, path, folder, header, options.dtype_in(folder))
    unknown = config is None and folder != path.parent and what in ("v2", "xl_base")
    return _Source(revision, folder, pipe, unknown and "v_pred" not in header)


def _check_revision(path: Path, required: str | None, revision: str) -> None:
    if required not in (None, revision):
        raise ModelError(
            f"{path} has revision {revision}, but revision is {required}: pass that version of "
            "it, or leave revision out"
        )


def _pipe(source: _Source, options: _Options) -> Any:
    """A diffusers pipeline with all that is asked for, on the CPU."""
    name, parts, control = options.pipeline, {}, []
    if options.controlnet is not None:
        control = load_control(options.controlnet, options.hub, options.dtype_in(source.folder))
        kind = type(control[0]).__name__
        name = control_class(name or class_name(source.folder), kind)
        kind = "adapter" if "AdapterPipeline" in name else "controlnet"
        parts[kind] = control[0] if len(control) == 1 else control
    read_call(pipeline_class(name or class_name(source.folder)), options.call)
    if options.memory.release_text_encoders and "prompt_embeds" in options.call:
        parts |= dict.fromkeys(filter(is_text, components(source.folder)))
    pipe = source.pipe(name=name, parts=parts)
    check_control(pipe, control)
    options.adapters.apply(pipe)
    if options.ip_adapter is not None:
        add_image_prompt(pipe, options.ip_adapter, options.hub)
    return pipe


def _build(source: _Source, options: _Options) -> NetworkPrior:
    """The prior of a source: its networks loaded, changed, frozen, and on their device."""
    pipe, memory, adapters = _pipe(source, options), options.memory, options.adapters
    family = native(pipe) if options.plain else None
    if family is None:
        memory.apply_to(pipe, options.device)
        return from_pipe(pipe, **options.call)
    networks = {n: p for n, p in pipe.components.items() if isinstance(p, torch.nn.Module)}
    memory.apply(networks, "unet", options.device)
    kept = {n: p for n, p in networks.items() if not is_text(n)}

    def encoders() -> dict[str, Any]:
        again = source.pipe(parts=kept)
        adapters.apply(again, text_only=True)
        made = {n: p for n, p in again.components.items() if is_text(n)}
        memory.apply(made, "unet", options.device)
        return made

    reload = encoders if memory.release_text_encoders else None
    codec = family.codec(pipe.components, memory.tiling)
    prior = NetworkPrior(family, codec, owned=True, reload=reload)
    if source.unknown_target:
        prior.target = "v"  # which is defined at noise alone, too
        prior.target = detect_target(prior)
    check_start(prior.schedule(1.0).alpha, prior.target)
    return prior
