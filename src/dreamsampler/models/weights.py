"""Weight files on disk: their names, whether they are whole, and their version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from dreamsampler.files import one_line
from dreamsampler.models.errors import ModelError

PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
"""Suffixes of pickles, which run code when they are opened."""

STEMS = ("diffusion_pytorch_model", "model")
"""How diffusers and transformers call the weights of a network."""

_LARGEST_HEADER = 100 << 20


def refuse_pickle(path: Path) -> None:
    """Raise ModelError if a path names a pickle checkpoint."""
    if path.suffix.lower() in PICKLES:
        raise ModelError(
            f"{path.name} is a pickle checkpoint, which runs whatever code it holds when opened, "
            "so only .safetensors is read: load it with diffusers where you trust it "
            "(from_single_file or from_pretrained) and pass the folder that save_pretrained writes"
        )


def check_file(path: Path) -> Path:
    """A whole .safetensors file, as it was given; ModelError for any other."""
    refuse_pickle(path)
    if not path.is_file():
        raise ModelError(f"there is no file {path}: check the name and the folder")
    if path.suffix.lower() != ".safetensors":
        raise ModelError(f"{path} is no .safetensors file: pass one")
    read_header(path)
    return path


def read_header(path: Path) -> dict[str, Any]:
    """Names, types and shapes of the tensors in a safetensors file; reads no weights.

    Raises:
        ModelError: not a safetensors file, or one that was cut short.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if start.startswith(b"version "):
            raise ModelError(f"{path} is a Git LFS pointer, not the weights: run `git lfs pull`")
        if size < 8 or length > min(size - 8, _LARGEST_HEADER):
            raise _corrupt(path, "it has no safetensors header")
        try:
            header = json.loads(file.read(length))
            tensors = {key: entry for key, entry in header.items() if key != "__metadata__"}
            end = 8 + length + max((e["data_offsets"][1] for e in tensors.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise _corrupt(path, f"its header is invalid ({one_line(error, 80)})") from None
    if end != size:
        raise _corrupt(path, f"it is {size} bytes long instead of {end}")
    return tensors


def _corrupt(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is not a whole safetensors file, {why}: download or copy it again")


def weight_files(folder: Path, variant: str | None = None) -> list[Path]:
    """The files with the weights of a network in a folder; empty if they are not all there.

    Args:
        folder: of the network, as save_pretrained writes it.
        variant: "fp16" for files named *.fp16.safetensors.
    """
    dot = f".{variant}" if variant else ""
    for stem in STEMS:
        if (single := folder / f"{stem}{dot}.safetensors").is_file():
            return [single]
        names = (f"{stem}{dot}.safetensors.index.json", f"{stem}.safetensors.index{dot}.json")
        for index in (folder / name for name in names):
            if index.is_file():
                files = {folder / name for name in read_json(index)["weight_map"].values()}
                return sorted(files) if all(file.is_file() for file in files) else []
    return []


def weight_patterns(parts: Sequence[str], variant: str | None) -> list[str]:
    """Patterns of the weight files of some networks of a model, of one variant only."""
    dot = f".{variant}" if variant else ""
    ends = (f"{dot}.safetensors", f"{dot}-0*.safetensors", f"{dot}.safetensors.index.json")
    return [
        f"{part}/{stem}{end}"
        for part in parts
        for stem in STEMS
        for end in (*ends, f".safetensors.index{dot}.json")
    ]


def pickles(folder: Path) -> list[Path]:
    """The pickle files in a folder."""
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in PICKLES)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a model folder.

    Raises:
        ModelError: missing, or not JSON.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: download or copy the model again") from None
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read ({one_line(error, 120)})") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object: download or copy the model again")
    return value


def fingerprint(paths: list[Path]) -> str:
    """A short name for the version of some weights: 16 hexadecimal digits.

    The SHA-256 of each file's size, start, and evenly spread pieces; half a megabyte is read,
    however large the file.
    """
    digest, pieces, length = hashlib.sha256(), 32, 1 << 14
    for path in sorted(paths):
        size = path.stat().st_size
        digest.update(size.to_bytes(8, "little"))
        with path.open("rb") as file:
            for piece in range(pieces):
                file.seek(piece * max(size - length, 0) // max(pieces - 1, 1))
                digest.update(file.read(length))
    return digest.hexdigest()[:16]


def memory_revision(network: Any) -> str:
    """A short name for the version of a network in memory, by the first numbers of each weight."""
    digest = hashlib.sha256()
    for key, weight in sorted(network.state_dict().items()):
        digest.update(f"{key}{tuple(weight.shape)}".encode())
        for each in [] if weight.is_meta else _stored(weight.detach()):
            digest.update(each.flatten()[:16].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _stored(weight: Tensor) -> list[Tensor]:
    """The tensors that a weight is stored in: of a quantized one its integers, scales, ..."""
    if not is_traceable_wrapper_subclass(weight):
        return [weight]
    names, _ = weight.__tensor_flatten__()
    return [inner for name in names for inner in _stored(getattr(weight, name))]
