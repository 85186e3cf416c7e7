"""A model in a folder, as diffusers' save_pretrained writes it."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dreamsampler.files import one_line
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families import FAMILIES
from dreamsampler.models.family import Family, check_start, target_of
from dreamsampler.models.weights import (
    STEMS,
    fingerprint,
    pickles,
    read_header,
    read_json,
    weight_files,
)

CONFIGS = ("model_index.json", "*/*.json", "*/*.txt", "*/*.model", "*/*.jinja")
"""The small files of any model folder, as patterns."""

HALVES = ("fp16", "bf16")
"""The variants of weights that are taken where a repository has no others."""

_SMALL = re.compile("Tokenizer|Scheduler|Processor|Extractor")
_LIBRARIES = ("diffusers", "transformers")


def is_text(part: str) -> bool:
    """Whether a part is a text encoder."""
    return part.startswith("text_encoder")


def components(folder: Path) -> dict[str, tuple[str, str]]:
    """Part -> (library, class) of what a model folder's pipeline is made of.

    The safety checker and what prepares pictures for it are left out.

    Raises:
        ModelError: it is no model folder.
    """
    if not (folder / "model_index.json").is_file():
        loose = sorted(folder.glob("*.safetensors"))
        do = f"pass {loose[0]} itself" if loose else "pass what pipeline.save_pretrained() wrote"
        raise ModelError(f"{folder} is no diffusers folder (no model_index.json in it): {do}")
    index = read_json(folder / "model_index.json")
    left = ("safety_checker", "feature_extractor") if "safety_checker" in index else ()
    pairs = {name: each for name, each in index.items() if isinstance(each, list)}
    return {
        name: (str(pair[0]), str(pair[1]))
        for name, pair in pairs.items()
        if len(pair) == 2 and pair[0] is not None and name not in left
    }


def networks(folder: Path) -> list[str]:
    """The parts of a model folder that have weights."""
    return [name for name, (_, kind) in components(folder).items() if not _SMALL.search(kind)]


def class_name(folder: Path) -> str:
    """The pipeline that a model folder is for."""
    return str(read_json(folder / "model_index.json").get("_class_name"))


def native_family(folder: Path) -> type[Family] | None:
    """The family of a model folder, if it has an adapter of its own."""
    return next((kind for kind in FAMILIES if class_name(folder) in kind.pipelines), None)


def check_configs(folder: Path) -> None:
    """Raise ModelError unless the configuration of a model folder is complete and can be loaded."""
    parts, kind = components(folder), native_family(folder)
    for name, (library, cls) in parts.items():
        known = library in _LIBRARIES or (kind is None and hasattr(_pipelines(), library))
        if not known or cls.startswith("_"):
            raise ModelError(
                f"{folder / name} is a {library}.{cls}, but only diffusers and transformers are "
                "loaded, and no code that comes with a model: load the pipeline yourself where you "
                "trust it, and pass it to from_pipe"
            )
        if name in networks(folder):
            config = read_json(folder / name / "config.json")
            if cls.startswith("Auto") and config.get("auto_map"):
                raise ModelError(f"{folder / name} comes with code of its own, which is not run")
        elif not any(file for end in CONFIGS[1:] for file in (folder / name).glob(end[2:])):
            raise ModelError(f"{folder / name} is missing: download or copy the model again")
    if kind is not None:
        _check_native(folder, kind)


def _pipelines() -> Any:
    return import_module("diffusers.pipelines")


def _check_native(folder: Path, kind: type[Family]) -> None:
    """Raise ModelError if the parts of a folder are not those of its family."""
    for name in kind.parts:
        if name not in components(folder):
            raise ModelError(f"{folder} lacks its {name}: download or copy the model again")
    kind.check({n: read_json(folder / n / "config.json") for n in networks(folder)})
    scheduler = read_json(folder / "scheduler/scheduler_config.json")
    if not {"beta_schedule", "trained_betas"} & set(scheduler):
        name = scheduler.get("_class_name", "its scheduler")
        raise ModelError(
            f"{name} in {folder} has no beta schedule, which {kind.title} needs: "
            "download or copy the model again"
        )
    check_start(not scheduler.get("rescale_betas_zero_snr"), target_of(scheduler))


def has_configs(folder: Path) -> bool:
    """Whether a folder has the small files: configurations and tokenizers."""
    if not (folder / "model_index.json").is_file():
        return False
    parts, heavy = components(folder), networks(folder)
    return all(
        (folder / name / "config.json").is_file()
        if name in heavy
        else any((folder / name).glob("*"))
        for name in parts
    )


def has_weights(folder: Path, variant: str | None) -> bool:
    """Whether a folder has all the files that loading needs, the weights of one variant."""
    return has_configs(folder) and all(_files(folder, n, variant) for n in networks(folder))


def variant_of(folder: Path, variant: str | None) -> str | None:
    """The variant that is loaded: the given one, else none, else 16 bits if there is nothing else.

    Some repositories have their networks as safetensors in 16 bits only.
    """
    if variant is not None or has_weights(folder, None):
        return variant
    return next((half for half in HALVES if has_weights(folder, half)), None)


def is_complete(folder: Path, variant: str | None) -> bool:
    """Whether a folder has all the files that loading needs, if only in 16 bits."""
    return has_weights(folder, variant_of(folder, variant))


def check_weights(folder: Path, variant: str | None) -> None:
    """Raise ModelError unless every part has whole safetensors files."""
    parts = networks(folder)
    if variant and not any(weight_files(folder / part, variant) for part in parts):
        raise ModelError(f"{folder} has no files of variant {variant!r}: leave variant out")
    for part in parts:
        files = _files(folder, part, variant)
        if not files and (found := pickles(folder / part)):
            raise ModelError(
                f"{folder / part} holds only a pickle ({found[0].name}), which runs code when "
                "opened: convert it where you trust it, with diffusers' "
                "save_pretrained(..., safe_serialization=True)"
            )
        if not files:
            raise ModelError(
                f"{folder / part} holds no "
                f"{STEMS[components(folder)[part][0] == 'transformers']}.safetensors: download or "
                "copy the model again"
                + (", or name its variant" if any((folder / part).glob("*.safetensors")) else "")
            )
        for file in files:
            read_header(file)


def folder_revision(folder: Path, variant: str | None = None) -> str:
    """The version of a model folder: the hub's commit in a hub cache, else of its weights."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.name
    return fingerprint([f for part in networks(folder) for f in _files(folder, part, variant)])


def class_of(folder: Path, part: str) -> Any:
    """The class of a part of a checked folder; ModelError if its library has none."""
    library, name = components(folder)[part]
    if library == "diffusers":
        name = str(read_json(folder / part / "config.json").get("_class_name", name))
    module: Any = (
        import_module(library) if library in _LIBRARIES else getattr(_pipelines(), library)
    )
    if not hasattr(module, name):
        raise ModelError(
            f"{folder / part} is a {name}, which this {library} does not have: update it"
        )
    return getattr(module, name)


def part_dtype(folder: Path, part: str, dtype: torch.dtype) -> torch.dtype:
    """What a part computes in when the model is loaded in a dtype.

    In float16 an autoencoder whose configuration says force_upcast, as its activations overflow,
    stays in float32.
    """
    if part != "vae" or dtype != torch.float16:
        return dtype
    upcast = read_json(folder / "vae/config.json").get("force_upcast", True)
    return torch.float32 if upcast else dtype


def load_network(
    cls: Any, folder: Path, dtype: torch.dtype, variant: str | None = None
) -> nn.Module:
    """One network with every weight in place; ModelError if it cannot be loaded."""
    from diffusers.models.modeling_utils import no_init_weights

    ours = cls.__module__.startswith("diffusers.")
    options: dict[str, Any] = {"torch_dtype" if ours else "dtype": dtype}
    if variant and weight_files(folder, variant):
        options["variant"] = variant
    try:
        with no_init_weights():
            model, info = cls.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **options,
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
    return (variant and weight_files(folder / part, variant)) or weight_files(folder / part)
