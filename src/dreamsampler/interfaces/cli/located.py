"""The model of a recipe, where it is now: its files by their names, and how it was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from dreamsampler.files import InputError, sha256
from dreamsampler.interfaces.cli.command import Where
from dreamsampler.interfaces.model_options import ADDED

LOADED = {"distilled": str, "tiling": int, "variant": str}
"""Options of loading that change a picture, as recipes have them, and what they are."""


@final
@dataclass(frozen=True)
class There:
    """The model of a recipe, and what is otherwise about it here; what is left out is as it was."""

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


def located(said: Any, there: There, beside: Path) -> Where:
    """How to load the model of a recipe.

    Args:
        said: the recipe's word on its model.
        there: what is otherwise here.
        beside: a folder in which added files may lie.

    Raises:
        InputError: a file that was added to the model is not here.
    """
    said = said if isinstance(said, dict) else {}
    model = there.model or str(said.get("name") or "iconic")
    commit = str(said.get("revision") or "")
    hub = not Path(model).exists() and model != "iconic" and len(commit) == 40
    dtype: Any = there.dtype or said.get("dtype")
    loaded: dict[str, Any] = {
        name: getattr(there, name) or (said.get(name) if type(said.get(name)) is kind else None)
        for name, kind in LOADED.items()
    }
    return Where(
        model=model,
        dtype=dtype if dtype in ("float32", "float16", "bfloat16") else "auto",
        device=there.device or _device(said.get("device")),
        revision=there.revision or (commit if hub else None),
        lora=tuple(_strong(*each) for each in _added(said, "lora", there.lora, beside)),
        textual_inversion=tuple(
            Path(path)
            for path, _ in _added(said, "textual_inversion", there.textual_inversion, beside)
        ),
        config=there.config,
        **loaded,
        offload=there.offload,
        local_files_only=there.local_files_only,
    )


def said_of(files: Any) -> str:
    """What was added to a model, in words.

    Example:
        >>> said_of([{"name": "a.safetensors", "sha256": "0123456789ab", "strength": 0.7}])
        'a.safetensors (01234567) at 0.7'
    """
    if not isinstance(files, list):
        return "none" if files is None else str(files)
    told = []
    for each in (file for file in files if isinstance(file, dict)):
        strength = f" at {each['strength']:g}" if _is_number(each.get("strength")) else ""
        told.append(f"{each.get('name')} ({str(each.get('sha256'))[:8]}){strength}")
    return ", ".join(told) or "none"


def _added(
    said: Mapping[str, Any], kind: str, given: Sequence[Any], beside: Path
) -> list[tuple[str, Any]]:
    """The files of a kind as they are here, with the strengths that the recipe has for them."""
    listed: Any = said.get(kind)
    wanted = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    free = [str(each) for each in given]
    found: list[tuple[str, Any]] = []
    for each in wanted:
        name = Path(str(each.get("name"))).name
        path = _given(name, str(each.get("sha256")), free)
        if path is not None:
            free.remove(path)
        else:
            here = [folder / name for folder in (beside, Path()) if (folder / name).is_file()]
            if not here:
                option = kind.replace("_", "-")
                raise InputError(
                    f"the recipe was made with the {ADDED[kind]} {name}, which is not here: pass "
                    f"--{option} and where it is"
                )
            path = str(here[0])
        found.append((path, each.get("strength")))
    return [*found, *((path, None) for path in free)]


def _given(name: str, digest: str, paths: Sequence[str]) -> str | None:
    """Which of some files is meant: the one of that name, else the one of that content."""
    files = {path: Path(path.rpartition("=")[0] or path) for path in paths}
    for path, file in files.items():
        if name in (file.name, Path(path).name):
            return path
    for path, file in files.items():
        if file.is_file() and sha256(file) == digest:
            return path
    return None


def _strong(path: str, strength: Any) -> str:
    """FILE=STRENGTH, unless the user says a strength."""
    if path.lower().endswith(".safetensors") and _is_number(strength):
        return f"{path}={strength}"
    return path


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _device(before: Any) -> str | None:
    """The recipe's device if it is here, else the best one there is."""
    import torch

    kind = str(before or "").partition(":")[0]
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(kind, False):
        return None
    index = str(before).partition(":")[2]
    if kind == "cuda" and index.isdigit() and int(index) >= torch.cuda.device_count():
        return "cuda"
    return str(before)
