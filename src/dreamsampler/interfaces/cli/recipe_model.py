"""The model of a recipe, as it is found here: its files by their names, and how it was loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from dreamsampler.files import InputError, located, sha256
from dreamsampler.interfaces.model_options import ADDED, ModelOptions, named_values

LOADED = {"distilled": str, "tiling": int, "variant": str, "pipeline": str}
"""Options of loading that change a picture, as recipes have them, and their types."""


@final
@dataclass(frozen=True)
class RecipeModel:
    """What differs from the model of a recipe; what is left out is as in the recipe."""

    model: str | None = None
    """where the model is now, if it was moved"""
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """another precision of the networks than in the recipe"""
    device: str | None = None
    """another device than in the recipe, such as cpu"""
    revision: str | None = None
    """another branch, tag or commit of a hub model than in the recipe"""
    lora: tuple[str, ...] = ()
    """where a LoRA of the recipe is now, if it was moved; FILE=STRENGTH for another strength"""
    textual_inversion: tuple[Path, ...] = ()
    """where a learned word of the recipe is now, if it was moved"""
    pipeline: str | None = None
    """another class of diffusers than in the recipe"""
    controlnet: tuple[str, ...] = ()
    """control networks in place of the recipe's, or where those are now"""
    ip_adapter: str | None = None
    """another IP-Adapter than in the recipe, or where it is now"""
    quantization_config: str | None = None
    """another quantization than in the recipe, as a JSON object"""
    call: tuple[str, ...] = ()
    """NAME=VALUE, another argument of the pipeline's call than in the recipe, or NAME=@FILE, where
    its file is now"""
    config: str | None = None
    """for a .safetensors file only: folder, alias or hub id of its configuration and tokenizer"""
    variant: str | None = None
    """other files of a hub model than in the recipe, such as fp16"""
    distilled: Literal["turbo", "lcm", "lightning", "schnell", "none"] | None = None
    """another way in which the model came to need few steps than in the recipe"""
    tiling: int | None = None
    """another side of the tiles in which pictures are encoded and decoded than in the recipe"""
    offload: Literal["model", "sequential"] | None = None
    """weights wait in main memory: whole networks, or layer by layer (least memory, slow)"""
    local_files_only: bool = False
    """never ask the network for a model"""

    def options(self, recorded: Mapping[str, Any], beside: Path) -> ModelOptions:
        """How to load the model of a recipe."""

        def added(kind: str, given: Sequence[Any] = ()) -> list[tuple[str, Any]]:
            return _added(recorded, kind, given, beside)

        then: dict[str, Any] = {n: v for n, v in recorded.items() if type(v) is LOADED.get(n)}
        then["model"] = str(recorded.get("name") or "iconic")
        then["device"] = _device(recorded.get("device"))
        if recorded.get("dtype") in ("float32", "float16", "bfloat16"):
            then["dtype"] = recorded["dtype"]
        if quantized := _mapping(recorded.get("quantization_config")):
            then["quantization_config"] = json.dumps(quantized)
        if not self.controlnet:
            then["controlnet"] = tuple(path for path, _ in added("controlnet"))
        if self.ip_adapter is None and (adapters := added("ip_adapter")):
            then["ip_adapter"] = adapters[0][0]
        given = {name: value for name, value in vars(self).items() if value or value == ""}
        found = {**then, **given}
        commit, model = str(recorded.get("revision") or ""), found["model"]
        if len(commit) == 40 and model != "iconic" and not Path(model).exists():
            found.setdefault("revision", commit)
        found["lora"] = tuple(_with_strength(*each) for each in added("lora", self.lora))
        words = added("textual_inversion", self.textual_inversion)
        found["textual_inversion"] = tuple(Path(path) for path, _ in words)
        found["call"] = tuple(_call(recorded.get("call"), self.call, beside))
        return ModelOptions(**found)


def added_in_words(files: Any) -> str:
    """What was added to a model, in words.

    Example:
        >>> added_in_words([{"name": "a.safetensors", "sha256": "0123456789ab", "strength": 0.7}])
        'a.safetensors (01234567) at 0.7'
    """
    if not isinstance(files, list):
        return "none" if files is None else str(files)
    names = []
    for each in (file for file in files if isinstance(file, dict)):
        strength = f" at {each['strength']:g}" if _is_number(each.get("strength")) else ""
        names.append(f"{_in_words(each)}{strength}")
    return ", ".join(names) or "none"


def call_in_words(call: Any) -> str:
    """The arguments of a pipeline's call, in words.

    Example:
        >>> call_in_words({"image": {"name": "a.png", "sha256": "0123456789ab"}, "clip_skip": 1})
        'image=a.png (01234567), clip_skip=1'
    """
    return ", ".join(f"{n}={_in_words(v)}" for n, v in _mapping(call).items()) or "none"


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_in_words, value))}]"
    if _is_file(value):
        return f"{value.get('name') or 'in memory'} ({str(value.get('sha256'))[:8]})"
    return json.dumps(value)


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and {"name", "sha256"} <= value.keys()


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _call(recorded: Any, given: Sequence[str], beside: Path) -> Iterator[str]:
    """The arguments of a call as NAME=VALUE, those that are given in place of the recipe's."""
    others = named_values("call", given)

    def found(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [found(name, each) for each in value]
        if not _is_file(value):
            return value
        if not isinstance(value["name"], str):
            raise InputError(
                f"the recipe was made with {name} in memory, which has no file: pass "
                f"--call {name}=@FILE"
            )
        path = _near(Path(value["name"]).name, beside)
        if path is None:
            raise InputError(
                f"the recipe was made with {name} from {value['name']}, which is not here: pass "
                f"--call {name}=@ and where it is"
            )
        return f"@{path}"

    for name, value in {**_mapping(recorded), **others}.items():
        if name not in others:
            text = found(name, value)
            value = text if _is_file(value) else json.dumps(text)
        yield f"{name}={value}"


def _near(name: str, beside: Path) -> Path | None:
    """A file or folder beside a result, or else in the current folder."""
    path = located(name, beside)
    return path if path.exists() else None


def _added(
    recorded: Mapping[str, Any], kind: str, given: Sequence[Any], beside: Path
) -> list[tuple[str, Any]]:
    """The files of a kind as they are found here, with the strengths in the recipe."""
    files: Any = recorded.get(kind)
    files = [each for each in files if isinstance(each, dict)] if isinstance(files, list) else []
    unused = [str(each) for each in given]
    found: list[tuple[str, Any]] = []
    for each in files:
        full = str(each.get("name"))
        name = Path(full).name
        path = _match(name, str(each.get("sha256")), unused)
        if path is not None:
            unused.remove(path)
        else:
            near = Path(full) if Path(full).is_dir() else _near(name, beside)
            if near is None and full.count("/") and not Path(full).is_absolute():
                near = Path(full)  # on the hub
            if near is None:
                raise InputError(
                    f"the recipe was made with the {ADDED[kind]} {name}, which is not here: pass "
                    f"--{kind.replace('_', '-')} and where it is"
                )
            path = str(near)
        found.append((path, each.get("strength")))
    return [*found, *((path, None) for path in unused)]


def _match(name: str, digest: str, paths: Sequence[str]) -> str | None:
    """The path with that file name, else the one with that content."""
    files = {path: Path(path.rpartition("=")[0] or path) for path in paths}
    for path, file in files.items():
        if name in (file.name, Path(path).name):
            return path
    for path, file in files.items():
        if file.is_file() and sha256(file) == digest:
            return path
    return None


def _with_strength(path: str, strength: Any) -> str:
    """FILE=STRENGTH, unless the path has a strength already."""
    if path.lower().endswith(".safetensors") and _is_number(strength):
        return f"{path}={strength}"
    return path


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _device(recorded: Any) -> str | None:
    """The recipe's device if it is here, else the best one there is."""
    import torch

    kind, _, index = str(recorded or "").partition(":")
    if kind == "cuda" and torch.cuda.is_available():
        few = index.isdigit() and int(index) >= torch.cuda.device_count()
        return "cuda" if few else str(recorded)
    if kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available()):
        return str(recorded)
    return None
