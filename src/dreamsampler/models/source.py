"""Where a model lies: an alias, a folder or file, or a hub repository."""

from __future__ import annotations

import os
from pathlib import Path

from dreamsampler.models.alias import (
    ALIASES,
    BUNDLED,
    PHOTO,
    commits,
    pin,
    repositories,
    suggestion,
)
from dreamsampler.models.errors import ModelError
from dreamsampler.models.folder import has_configs
from dreamsampler.models.hub import Hub, download_configs
from dreamsampler.models.weights import refuse_pickle

_HERE = Path(__file__).parent
_SHIPPED = {BUNDLED: _HERE / "bundled", PHOTO: _HERE / "photo"}


def config_folder(
    model: str | Path, revision: str | None = None, local_files_only: bool | None = None
) -> Path:
    """The folder with a model's configuration and tokenizers; no weights are downloaded.

    Raises:
        ModelError: it is not available, or a single file, which has no configuration of its own.
    """
    name, revision = split_revision(str(model), revision)
    path = local_path(name)
    if path is not None and path.is_file():
        raise ModelError(f"{path} comes without a configuration: pass a folder, alias or hub id")
    hub = Hub(revision, local_files_only=local_files_only)
    return path or hub.fetch(repositories(name), has_configs, download_configs, pins=commits(name))


def split_revision(model: str, revision: str | None) -> tuple[str, str | None]:
    """A model's name and version, also of NAME@REVISION."""
    name, pinned = (model, None) if os.path.exists(model) else pin(model)
    if pinned and revision not in (None, pinned):
        raise ModelError(f"{model} names one revision, and revision is {revision}: leave one out")
    return name, revision or pinned


def local_path(model: str) -> Path | None:
    """The folder or file of a model; None for a hub id or an alias of one."""
    if model in _SHIPPED:
        if not (_SHIPPED[model] / "model_index.json").is_file():
            raise ModelError(f"the model {model!r} is not in this installation: pass another one")
        return _SHIPPED[model]
    if model in ALIASES:
        return None
    path = Path(model).expanduser()
    refuse_pickle(path)
    if model and os.path.isdir(path):
        return path
    if os.path.isfile(path):
        if path.suffix.lower() not in (".safetensors", ".gguf"):
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
