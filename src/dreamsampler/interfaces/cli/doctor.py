"""The command `doctor`: what is here, and what will be slow or fail because of it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dreamsampler.interfaces.cli.options import Json
from dreamsampler.version import __version__

_GIB = 2**30
_EXTRAS = {
    "fastapi": "dreamsampler studio",
    "ray": "dreamsampler batch --ray",
    "pyarrow": "batches from .parquet",
    "vtracer": "vectorize --init trace",
}


@final
@dataclass(frozen=True)
class Doctor(Json):
    """Print what is installed, where models run and are kept, and what will be slow or fail."""


def examine(options: Doctor) -> None:
    """Facts first, then advice, a line each."""
    found = diagnosis()
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found["facts"].items():
        print(f"{name:12} {value}")
    for line in found["advice"]:
        print(f"! {line}")
    if not found["advice"]:
        print("nothing is wrong")


def diagnosis() -> dict[str, Any]:
    """Facts (name -> what is so) and advice (a line each)."""
    import torch

    from dreamsampler.tasks.recipe import versions

    packages = ", ".join(f"{name} {version}" for name, version in versions().items())
    cache, size, models = _cache()
    existing = next(each for each in (cache, *cache.parents, Path()) if each.exists())
    free = shutil.disk_usage(existing).free
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    torchvision, broken = _torchvision()
    facts = {
        "dreamsampler": f"{__version__} in {Path(__file__).parents[2]}",
        "versions": packages,
        "devices": "; ".join(_devices()),
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} processors",
        "cache": f"{cache}: {len(models)} models, {size / _GIB:.1f} GiB",
        "models": ", ".join(["iconic", *models]),
        "free disk": f"{free / _GIB:.1f} GiB",
        "offline": "yes (HF_HUB_OFFLINE)" if offline else "no: missing models are fetched",
        "extras": ", ".join(
            f"{name} {_version(name) or f'missing ({what})'}" for name, what in _EXTRAS.items()
        ),
        "torchvision": torchvision,
    }
    return {"facts": facts, "advice": [*_advice(free), *([broken] if broken else [])]}


def _advice(free: int) -> list[str]:
    import torch

    advice = []
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        advice.append(
            "no GPU is seen: the bundled model takes seconds, models of the size of SD 1.5 minutes "
            "a picture; --dtype bfloat16 is two to three times faster on a recent CPU"
        )
        if torch.version.cuda is None and _has_nvidia():
            advice.append(
                f"there is an NVIDIA GPU, but torch {torch.__version__} is built for CPUs: install "
                "a CUDA build of the same version"
            )
    elif torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        if memory < 8 * _GIB:
            advice.append(
                f"the GPU has {memory / _GIB:.1f} GiB: take --offload model for large models "
                "(`dreamsampler plan` prints what each takes)"
            )
    processors = os.cpu_count() or 1
    if torch.get_num_threads() < processors:
        advice.append(
            f"torch uses {torch.get_num_threads()} of {processors} processors: unset "
            "OMP_NUM_THREADS for speed"
        )
    if free < 10 * _GIB:
        advice.append(
            f"{free / _GIB:.1f} GiB are free where models are kept, and a large one takes 2 to 30: "
            "make room, or set HF_HOME to another disk"
        )
    return advice


def _devices() -> list[str]:
    import torch

    found = [
        f"cuda:{i} {torch.cuda.get_device_name(i)}, "
        f"{torch.cuda.get_device_properties(i).total_memory / _GIB:.0f} GiB"
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, f"cpu ({torch.backends.cpu.get_cpu_capability()})"]


def _torchvision() -> tuple[str, str]:
    """Its version, and what is wrong with it.

    A torchvision that was built for another torch breaks diffusers and transformers by being there.
    """
    version = _version("torchvision")
    if version is None:
        return "not installed, and not needed", ""
    tried = subprocess.run(
        [sys.executable, "-c", "import torchvision"], capture_output=True, text=True, timeout=120
    )
    if tried.returncode == 0:
        return f"{version}, fits torch {_version('torch')}", ""
    last = (tried.stderr.strip().splitlines() or ["it fails"])[-1]
    return f"{version}, broken", (
        f"torchvision {version} does not fit torch {_version('torch')} ({last}), and breaks "
        "diffusers by being there: pip uninstall torchvision"
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cache() -> tuple[Path, int, list[str]]:
    """The folder of the hub's cache, its bytes, and the models in it."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    models = sorted(cache.glob("models--*")) if cache.is_dir() else []
    size = 0
    for model in models:
        blobs = model / "blobs"
        size += sum(f.stat().st_size for f in blobs.glob("*") if f.is_file())
    return cache, size, [m.name.removeprefix("models--").replace("--", "/") for m in models]


def _has_nvidia() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
