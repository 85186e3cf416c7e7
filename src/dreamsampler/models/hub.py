"""Models on the Hugging Face Hub: the local cache first, the network second."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from dreamsampler.models.errors import ModelError, one_line
from dreamsampler.models.folder import (
    CONFIGS,
    HALVES,
    check_configs,
    networks,
    ready,
    whole,
)
from dreamsampler.models.weights import stem_of


@final
@dataclass(frozen=True)
class Hub:
    """Where and how to look on the hub; the options of diffusers' from_pretrained.

    Args:
        revision: branch, tag or commit; None for the newest, or whatever is in the cache.
        variant: "fp16" for the half-size files where a repository has them.
        cache_dir: another cache than the hub's own.
        token: for private or gated repositories; None for the one that `hf auth login` stored.
        local_files_only: never ask the network; None for what HF_HUB_OFFLINE says.
        pinned: the revision is this package's choice and nobody's wish.
    """

    revision: str | None = None
    variant: str | None = None
    cache_dir: str | Path | None = None
    token: str | bool | None = None
    local_files_only: bool | None = None
    pinned: bool = False

    def fetch(
        self,
        repositories: Sequence[str],
        whole: Callable[[Path], bool],
        download: Callable[[str, Hub], Path],
        small: Sequence[str] = ("model_index.json",),
        pins: Mapping[str, str] | None = None,
    ) -> Path:
        """The first repository that is whole in the cache, or else the first that can be had.

        A pinned repository is had at its commit. Where that cannot be had, nor the newest of one
        without a pin, any version in the cache is better than none: it is taken, and a warning
        says which it is.

        Args:
            repositories: ids with the same content, in order.
            whole: whether a cached snapshot has everything.
            download: brings one repository from the network; ModelError ends the search.
            small: files whose presence in the cache makes a repository worth looking at.
            pins: the commit of each repository that has one, for when there is no `revision`.

        Raises:
            ModelError: not in the cache, and not to be had.
        """
        pins = (pins or {}) if self.revision is None else {}
        hubs = {
            name: replace(self, revision=pins[name], pinned=True) if name in pins else self
            for name in repositories
        }
        for repository, hub in hubs.items():
            cached = hub._cached(repository, list(small))
            if cached is not None and whole(cached):
                return cached
        try:
            return self._had(hubs, download)
        except ModelError as error:
            for repository in repositories if self.revision is None else ():
                for other in self._snapshots(repository):
                    if whole(other):
                        wanted = pins.get(repository, "its newest")
                        _tell(repository, other.name, wanted, error, self.offline())
                        return other
            raise

    def _had(self, hubs: Mapping[str, Hub], download: Callable[[str, Hub], Path]) -> Path:
        """The first repository that the network has."""
        first, hub = next(iter(hubs.items()))
        if self.offline():
            raise ModelError(
                f"{first} is not in the local cache and the network is off (local_files_only or "
                f"HF_HUB_OFFLINE): run `{hub.command(first)}` where there is one, or pass a folder"
            )
        gone: list[_Gone] = []
        for repository, at in hubs.items():
            try:
                return download(repository, at)
            except _Gone as error:
                gone.append(error)
        gated = [error for error in gone if error.gated]
        raise ModelError(str([*gated, *gone][0]))  # what is only gated can be had

    def command(self, repository: str) -> str:
        """What brings a repository into the cache, on the command line.

        Example:
            >>> Hub(revision="v1").command("org/name")
            'hf download org/name --revision v1'
        """
        return f"hf download {repository}" + (f" --revision {self.revision}" * bool(self.revision))

    def offline(self) -> bool:
        """Whether the network must not be asked."""
        from huggingface_hub import constants

        return constants.HF_HUB_OFFLINE if self.local_files_only is None else self.local_files_only

    def _cached(self, repository: str, small: list[str]) -> Path | None:
        try:
            return self._snapshot(repository, small, local_files_only=True)
        except Exception:  # whatever is wrong with the cache, the network comes next
            return None

    def _snapshots(self, repository: str) -> list[Path]:
        """All versions of a repository in the cache: the one that was main first, then newest."""
        from huggingface_hub import constants

        home = Path(self.cache_dir or constants.HF_HUB_CACHE).expanduser()
        home /= f"models--{repository.replace('/', '--')}"
        main = home / "refs" / "main"
        last = main.read_text("utf-8").strip() if main.is_file() else ""
        found = [folder for folder in (home / "snapshots").glob("*") if folder.is_dir()]
        return sorted(found, key=lambda f: (f.name == last, f.stat().st_mtime), reverse=True)

    def download(self, repository: str, patterns: list[str]) -> Path:
        """The folder of a repository's snapshot with the files that match; asks the network.

        Raises:
            ModelError: there is no way to it; the message says why.
        """
        import huggingface_hub

        try:
            if self.revision is not None:  # a listing would be tried five times, and say so
                huggingface_hub.model_info(repository, revision=self.revision, token=self.token)
            return self._snapshot(repository, patterns, local_files_only=False)
        except Exception as error:
            raise self._explain(repository, error) from None

    def _snapshot(self, repository: str, patterns: list[str], *, local_files_only: bool) -> Path:
        import huggingface_hub

        options: dict[str, Any] = {"revision": self.revision, "token": self.token}
        if self.cache_dir is not None:
            options["cache_dir"] = Path(self.cache_dir).expanduser()
        folder = huggingface_hub.snapshot_download(
            repository, allow_patterns=patterns, local_files_only=local_files_only, **options
        )
        return Path(folder)

    def _explain(self, repository: str, error: Exception) -> ModelError:
        from huggingface_hub import errors

        if isinstance(error, errors.GatedRepoError):
            return _Gone(
                f"{repository} is gated: accept its terms on its hub page, then `hf auth login`",
                gated=True,
            )
        if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
            return _Gone(
                f"there is no model {repository} on the hub, or it is private: check the name, or "
                "`hf auth login` if it is yours"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return _Gone(
                f"{repository} no longer has the commit {self.revision} that is asked for: pass "
                f"{repository}@main for its newest version"
                if self.pinned
                else f"{repository} has no revision {self.revision!r}: leave revision out"
            )
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return ModelError(f"the disk is full: {repository} could not be stored in the cache")
        unreachable = isinstance(error, errors.LocalEntryNotFoundError)
        if isinstance(error, errors.HfHubHTTPError) and not unreachable:
            return ModelError(f"the hub refused {repository}: {one_line(error)}")
        return ModelError(
            f"{repository} is not in the local cache and the hub cannot be reached: run "
            f"`{self.command(repository)}` where there is a network, or pass a folder "
            f"({one_line(_root(error), 100)})"
        )


def _tell(repository: str, version: str, wanted: str, error: ModelError, offline: bool) -> None:
    """Warn that another version than the wanted one is used."""
    why = "the network is off" if offline else one_line(error, 120)
    warnings.warn(
        f"{repository} is used in the version that is in the cache, {version}, instead of "
        f"{wanted}, which cannot be had ({why})",
        stacklevel=3,
    )


def _root(error: BaseException) -> BaseException:
    """What went wrong in the first place."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


@final
class _Gone(ModelError):
    """One repository is not there, or wants its terms to be accepted; a twin of it may be."""

    def __init__(self, text: str, *, gated: bool = False) -> None:
        super().__init__(text)
        self.gated = gated


def download_pipeline(repository: str, hub: Hub) -> Path:
    """A whole diffusers folder; its configuration is checked before its weights are fetched."""
    folder = hub.download(repository, list(CONFIGS))
    parts = networks(check_configs(folder), folder)
    folder = hub.download(repository, [*CONFIGS, *_weights(parts, hub.variant)])
    if hub.variant and not whole(folder, hub.variant):
        folder = hub.download(repository, [*CONFIGS, *_weights(parts, None)])
    for half in HALVES if hub.variant is None else ():
        if not ready(folder, None):
            folder = hub.download(repository, [*CONFIGS, *_weights(parts, half)])
    if not ready(folder, hub.variant):
        raise ModelError(
            f"no complete safetensors weights of {repository} came: it may hold only pickles (look "
            f"for a converted copy), or the network broke off (try `hf download {repository}`)"
        )
    return folder


def download_configs(repository: str, hub: Hub) -> Path:
    """The small files of a diffusers folder: what a single checkpoint file lacks."""
    folder = hub.download(repository, list(CONFIGS))
    check_configs(folder)
    return folder


def _weights(parts: Sequence[str], variant: str | None) -> list[str]:
    """Patterns of the weight files of some parts, of one variant only."""
    dot = f".{variant}" if variant else ""
    return [
        pattern
        for part in parts
        for stem in [stem_of(part)]
        for pattern in (
            f"{part}/{stem}{dot}.safetensors",
            f"{part}/{stem}{dot}-0*.safetensors",
            f"{part}/{stem}{dot}.safetensors.index.json",
            f"{part}/{stem}.safetensors.index{dot}.json",
        )
    ]
