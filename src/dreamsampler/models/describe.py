"""The pipeline of a model and what its call takes, by its configuration; no weights are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dreamsampler.files import sha256
from dreamsampler.models.driven.arguments import Argument, arguments_of
from dreamsampler.models.folder import check_configs, class_name, components
from dreamsampler.models.hub import Hub, fetch_network
from dreamsampler.models.pipeline import control_class, find_image_prompt, pipeline_class, several
from dreamsampler.models.single_file import file_kind, find_config
from dreamsampler.models.source import config_folder, local_path, split_revision
from dreamsampler.models.weights import fingerprint, read_json, weight_files
from dreamsampler.models.words import read_words


class Described(NamedTuple):
    """What a model is.

    Args:
        pipeline: its class in diffusers.
        parts: part -> its class.
        arguments: what may be passed to the pipeline's call.
        words: that it was trained on, sorted; empty if they are not known.
    """

    pipeline: type
    parts: dict[str, str]
    arguments: list[Argument]
    words: list[str]


def describe(
    model: str | Path,
    *,
    pipeline: str | None = None,
    controlnet: Sequence[str | Path] = (),
    config: str | Path | None = None,
    revision: str | None = None,
    local_files_only: bool | None = None,
) -> Described:
    """What `from_pretrained` would make a prior of with these arguments.

    Downloads the configuration of a model at most, and a control network.

    Raises:
        ModelError: the model is not available, or diffusers has no such pipeline.

    Example:
        >>> described = describe("iconic")
        >>> described.pipeline.__name__, described.parts["vae"]
        ('StableDiffusionPipeline', 'AutoencoderKL')
    """
    name, _ = split_revision(str(model), revision)
    hub, path = Hub(local_files_only=local_files_only), local_path(name)
    if path is not None and path.is_file():
        kind = "gguf" if path.suffix.lower() == ".gguf" else file_kind(path)[0]
        folder = find_config(path, kind, None if config is None else str(config), hub)
    else:
        folder = config_folder(model, revision, local_files_only)
        check_configs(folder)
    name = pipeline or class_name(folder)
    if controlnet:
        index = fetch_network(controlnet[0], hub) / "config.json"
        name = control_class(name, str(read_json(index).get("_class_name")))
    kind = pipeline_class(name)
    parts = {part: kind for part, (_, kind) in components(folder).items()}
    return Described(kind, parts, arguments_of(kind), sorted(read_words(folder)))


def recorded(
    controlnet: str | Path | Sequence[str | Path] | None,
    ip_adapter: str | Path | None,
    quantization_config: Any,
    hub: Hub,
) -> dict[str, Any]:
    """What was loaded into a pipeline, for a recipe: names, and hashes of the files."""
    made: dict[str, Any] = {}
    if controlnet is not None:
        made["controlnet"] = [
            {"name": str(each), "sha256": fingerprint(weight_files(fetch_network(each, hub)))}
            for each in several(controlnet)
        ]
    if ip_adapter is not None:
        path, local = find_image_prompt(ip_adapter, hub), Path(ip_adapter).expanduser().is_file()
        made["ip_adapter"] = [
            {"name": path.name if local else str(ip_adapter), "sha256": sha256(path)}
        ]
    if quantization_config is not None:
        names = ("quant_backend", "quant_kwargs", "components_to_quantize", "quant_mapping")
        given = quantization_config
        found = dict(given if isinstance(given, Mapping) else vars(given))
        parts = found.get("quant_mapping") or {}
        found["quant_mapping"] = {
            part: each if isinstance(each, Mapping) else each.to_dict()
            for part, each in parts.items()
        }
        made["quantization_config"] = {n: found[n] for n in names if found.get(n)}
    return made
