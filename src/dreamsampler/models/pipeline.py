"""A diffusers pipeline from a model folder: its class, its parts, and what is added to them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from dreamsampler.files import one_line
from dreamsampler.models.errors import ModelError
from dreamsampler.models.folder import (
    class_name,
    class_of,
    components,
    is_text,
    load_network,
    networks,
    part_dtype,
)
from dreamsampler.models.hub import Hub, fetch_network
from dreamsampler.models.libraries import quiet
from dreamsampler.models.weights import check_file, read_json

_WIDTHS = ("cross_attention_dim", "joint_attention_dim", "caption_channels", "addition_embed_type")
"""Entries of a configuration in which a control network and its model must agree."""


def pipeline_class(name: str) -> Any:
    """A pipeline of diffusers by its name.

    Raises:
        ModelError: there is none; says which one may be meant.
    """
    with quiet():
        diffusers: Any = import_module("diffusers")
        found = getattr(diffusers, name, None) if name.isidentifier() else None
        if isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline):
            return found
        names = [each for each in dir(diffusers) if each.endswith("Pipeline")]
    close = difflib.get_close_matches(name, names, n=1)
    raise ModelError(
        f"diffusers {diffusers.__version__} has no pipeline {name!r}: "
        + (f"did you mean {close[0]}?" if close else "update it, or pass another class as pipeline")
    )


def control_class(name: str, control: str) -> str:
    """The pipeline of a family that takes a class of control networks, as diffusers names them."""
    kind = "Adapter" if control == "T2IAdapter" else "ControlNet"
    return name if kind in name else name.replace("Pipeline", f"{kind}Pipeline")


def load_pipeline(
    folder: Path,
    name: str | None = None,
    *,
    dtype: torch.dtype,
    variant: str | None = None,
    quantization_config: Any = None,
    parts: Mapping[str, Any] | None = None,
) -> Any:
    """A pipeline from a checked model folder, on the CPU, without its safety checker.

    Args:
        name: a class of diffusers; None for the folder's own.
        quantization_config: diffusers' PipelineQuantizationConfig, or a mapping of its arguments.
        parts: components that are already loaded.

    Raises:
        ModelError: a part is missing, or of another class than the pipeline's.
    """
    cls = pipeline_class(name or class_name(folder))
    given, index = dict(parts or {}), read_json(folder / "model_index.json")
    takes = inspect.signature(cls.__init__).parameters
    stored = {part: each for part, each in components(folder).items() if part in takes}
    optional = {*cls._optional_components, "safety_checker", "feature_extractor"}
    for part, parameter in list(takes.items())[1:]:
        required = parameter.default is parameter.empty and part not in optional
        if required and part not in {*stored, *given, *index}:
            raise ModelError(
                f"{cls.__name__} needs a {part}, which {folder} lacks: {_advice(part)}"
            )
    heavy = {n: class_of(folder, n) for n in networks(folder) if n in stored and n not in given}
    for part, kind in heavy.items():
        allowed = accepted(cls, part)
        if allowed and not issubclass(kind, allowed) and kind.__name__ != "AutoencoderTiny":
            raise ModelError(
                f"{cls.__name__} takes {_names(allowed)} as {part}, but {folder} has "
                f"{kind.__name__}: pass a pipeline of this model's family"
            )
    options: dict[str, Any] = {}
    dtypes = {part: part_dtype(folder, part, dtype) for part in stored}
    with quiet():
        if quantization_config is not None:
            options = {"torch_dtype": {"default": dtype, **dtypes}, "variant": variant}
            options["quantization_config"] = quantization(quantization_config)
        else:
            for part, kind in heavy.items():
                given[part] = load_network(kind, folder / part, dtypes[part], variant)
        if "safety_checker" in takes:
            given |= {"safety_checker": None, "feature_extractor": None}
        if "requires_safety_checker" in takes:
            given["requires_safety_checker"] = False
        try:
            return cls.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, **options, **given
            )
        except Exception as error:
            raise ModelError(f"{folder} cannot be loaded: {one_line(error)}") from None


def _advice(part: str) -> str:
    if part in ("controlnet", "adapter"):
        return "pass controlnet"
    return "pass the folder of a model that has it, or another pipeline"


def accepted(cls: Any, part: str) -> tuple[type, ...]:
    """The classes that a pipeline takes as a part, by its annotations; empty if it does not say."""
    parameter = inspect.signature(cls.__init__).parameters.get(part)
    found: list[Any] = [None if parameter is None else parameter.annotation]
    while any(get_args(each) for each in found):
        found = [inner for each in found for inner in (get_args(each) or (each,))]
    return tuple(c for c in found if isinstance(c, type) and hasattr(c, "from_pretrained"))


def _names(classes: tuple[type, ...]) -> str:
    return " or ".join(each.__name__ for each in classes)


def quantization(config: Any) -> Any:
    """Diffusers' PipelineQuantizationConfig, given as one or by its arguments.

    Args:
        config: of the class, or a mapping of its arguments. Entries of quant_mapping may be
            mappings, too: quant_method, and the arguments of that method's configuration.

    Raises:
        ModelError: something else, or a backend that is not installed.
    """
    with quiet():
        kind: Any = import_module("diffusers").PipelineQuantizationConfig
        if isinstance(config, kind):
            return config
        try:
            if isinstance(config, Mapping):
                parts = config.get("quant_mapping")
                made = {part: _quantized(part, each) for part, each in (parts or {}).items()}
                return kind(**({**config, "quant_mapping": made} if made else config))
        except Exception as error:
            raise ModelError(f"quantization_config: {one_line(error)}") from None
    raise ModelError(
        f"quantization_config is a {type(config).__name__}, but must be diffusers' "
        "PipelineQuantizationConfig or a mapping of its arguments (quant_backend, quant_kwargs, "
        "components_to_quantize)"
    )


def _quantized(part: str, config: Any) -> Any:
    """The configuration of a quantized part; a mapping says its method and its arguments."""
    if not isinstance(config, Mapping):
        return config
    library = "transformers" if is_text(part) else "diffusers"
    known = import_module(f"{library}.quantizers.auto").AUTO_QUANTIZATION_CONFIG_MAPPING
    given = dict(config)
    method, kind = given.pop("quant_method", None), given.get("quant_type")
    if method not in known:
        raise ValueError(f"quant_method of {part} is {method!r}, but must be {', '.join(known)}")
    if isinstance(kind, str) and method == "torchao":
        given["quant_type"] = getattr(import_module("torchao.quantization"), kind)()
    elif isinstance(kind, Mapping):  # as to_dict writes it
        return known[method].from_dict(dict(config))
    return known[method](**given)


def several(models: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    """One model or some, as some."""
    return [models] if isinstance(models, str | Path) else models


def load_control(
    models: str | Path | Sequence[str | Path], hub: Hub, dtype: torch.dtype
) -> list[Any]:
    """Control networks (ControlNet, T2I-Adapter, ...) from folders or hub ids.

    Raises:
        ModelError: one is not available, or no control network.
    """
    made = []
    for model in several(models):
        folder = fetch_network(model, hub)
        kind = str(read_json(folder / "config.json").get("_class_name"))
        cls = getattr(import_module("diffusers"), kind, None)
        if cls is None or not ("ControlNet" in kind or "Adapter" in kind):
            raise ModelError(f"{model} is a {kind}, but controlnet must be a control network")
        with quiet():
            made.append(load_network(cls, folder, dtype))
    return made


def check_control(pipe: Any, control: Sequence[Any]) -> None:
    """Raise ModelError if control networks are of another family than a pipeline's network."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    allowed = accepted(type(pipe), "controlnet")
    for each in control:
        own, other = getattr(network, "config", {}), each.config
        apart = [key for key in _WIDTHS if key in own and key in other and own[key] != other[key]]
        if apart:
            raise ModelError(
                f"the {type(each).__name__} was made for another model than this one "
                f"({apart[0]} is {other[apart[0]]} instead of {own[apart[0]]}): pass one of its "
                "family"
            )
        if allowed and not isinstance(each, allowed):
            raise ModelError(
                f"{type(pipe).__name__} takes {_names(allowed)}, but controlnet is a "
                f"{type(each).__name__}: pass one of its family"
            )


def find_image_prompt(model: str | Path, hub: Hub) -> Path:
    """The checked file of an IP-Adapter, as `add_image_prompt` takes it."""
    path = Path(model).expanduser()
    if not path.is_file() and str(model).count("/") > 1 and not path.is_absolute():
        org, name, *inside = str(model).split("/")
        files = ["/".join(inside), "*image_encoder/*.json", "*image_encoder/model.safetensors"]
        whole = hub.fetch_files(f"{org}/{name}", files, lambda f: (f / files[0]).is_file())
        path = whole.joinpath(*inside)
    check_file(path)
    return path


def add_image_prompt(pipe: Any, model: str | Path, hub: Hub) -> None:
    """Load an IP-Adapter, with its image encoder if there is one beside it, into a pipeline.

    Args:
        model: a .safetensors file, local, or on the hub as org/name/folder/file.safetensors. Its
            image encoder lies in a folder image_encoder beside the file or its folder.

    Raises:
        ModelError: it is not available, a pickle, or of another model.
    """
    if not hasattr(pipe, "load_ip_adapter"):
        raise ModelError(f"{type(pipe).__name__} takes no IP-Adapter: leave ip_adapter out")
    path = find_image_prompt(model, hub)
    places = [path.parent / "image_encoder", path.parent.parent / "image_encoder"]
    encoder = next((place for place in places if place.is_dir()), None)
    if encoder is not None and getattr(pipe, "image_encoder", None) is None:
        kind = accepted(type(pipe), "image_encoder")[0]
        network: Any = next(p for p in pipe.components.values() if isinstance(p, nn.Module))
        pipe.register_modules(
            image_encoder=load_network(kind, fetch_network(encoder, hub), network.dtype)
        )
    options = {"subfolder": "", "weight_name": path.name, "local_files_only": True}
    no_encoder = ("image_encoder_folder", "image_encoder_pretrained_model_name_or_path")
    takes = inspect.signature(pipe.load_ip_adapter).parameters
    options |= dict.fromkeys([name for name in no_encoder if name in takes])
    try:
        with quiet():
            pipe.load_ip_adapter(str(path.parent), **options)
    except Exception as error:
        raise ModelError(f"{path.name} is no IP-Adapter of this model: {one_line(error)}") from None
