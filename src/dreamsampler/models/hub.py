"""Models on the Hugging Face Hub: the local cache first, the network second."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from dreamsampler.files import one_line
from dreamsampler.models.errors import ModelError
from dreamsampler.models.folder import (
    CONFIGS,
    HALVES,
    check_configs,
    has_weights,
    is_complete,
    networks,
)
from dreamsampler.models.weights import (
    STEMS,
    pickles,
    read_header,
    refuse_pickle,
    weight_files,
    weight_patterns,
)


@final
@dataclass(frozen=True)
class Hub:
    """Options of the hub, as in diffusers' from_pretrained.

    Args:
        revision: branch, tag or commit; None for the newest, or any version in the cache.
        variant: "fp16" for the half-size files where a repository has them.
        cache_dir: another cache than the hub's own.
        token: for private or gated repositories; None for the one that `hf auth login` stored.
        local_files_only: never use the network; None for the value of HF_HUB_OFFLINE.
        pinned: the revision is the pin of an alias, not the user's.
    """

    revision: str | None = None
    variant: str | None = None
    cache_dir: str | Path | None = None
    token: str | bool | None = None
    local_files_only: bool | None = None
    pinned: bool = False

    def any_version(self) -> Hub:
        """The same without revision and variant."""
        return replace(self, revision=None, variant=None)

    def fetch(
        self,
        repositories: Sequence[str],
        complete: Callable[[Path], bool],
        download: Callable[[str, Hub], Path],
        small: Sequence[str] = ("model_index.json",),
        pins: Mapping[str, str] | None = None,
    ) -> Path:
        """The first repository that is complete in the cache, else the first that downloads.

        A pinned repository is loaded at its commit. If neither that nor the newest version of one
        without a pin is available, any version in the cache is taken, with a warning.

        Args:
            repositories: ids with the same content, in order.
            complete: whether a cached snapshot has everything.
            download: of one repository; ModelError ends the search.
            small: files of every snapshot.
            pins: the commits of pinned repositories, where there is no `revision`.

        Raises:
            ModelError: not in the cache, and not available on the hub.
        """
        pins = (pins or {}) if self.revision is None else {}
        hubs = {
            name: replace(self, revision=pins[name], pinned=True) if name in pins else self
            for name in repositories
        }
        for repository, hub in hubs.items():
            try:
                cached = hub._snapshot(repository, list(small), local_files_only=True)
            except Exception:  # whatever is wrong with the cache, the network comes next
                continue
            if complete(cached):
                return cached
        try:
            return self._download_first(hubs, download)
        except ModelError as error:
            why = "the network is off" if self.offline() else one_line(error, 120)
            for repository in repositories if self.revision is None else ():
                for other in self._cached_versions(repository):
                    if complete(other):
                        warnings.warn(
                            f"{repository} is used in the version that is in the cache, "
                            f"{other.name}, instead of {pins.get(repository, 'its newest')}, "
                            f"which is not available ({why})",
                            stacklevel=2,
                        )
                        return other
            raise

    def _download_first(
        self, hubs: Mapping[str, Hub], download: Callable[[str, Hub], Path]
    ) -> Path:
        """The first repository that can be downloaded."""
        first, hub = next(iter(hubs.items()))
        if self.offline():
            raise ModelError(
                f"{first} is not in the local cache and the network is off (local_files_only or "
                f"HF_HUB_OFFLINE): run `{hub.command(first)}` where there is one, or pass a folder"
            )
        missing: list[_Missing] = []
        for repository, each in hubs.items():
            try:
                return download(repository, each)
            except _Missing as error:
                missing.append(error)
        gated = [error for error in missing if error.gated]
        raise ModelError(str([*gated, *missing][0]))  # a gated one is still available

    def fetch_files(
        self, repository: str, files: list[str], complete: Callable[[Path], bool]
    ) -> Path:
        """The snapshot of one repository, in any version, with the files that match."""
        return self.any_version().fetch(
            (repository,), complete, lambda name, hub: hub.download(name, files), files[:1]
        )

    def command(self, repository: str) -> str:
        """The command line that brings a repository into the cache.

        Example:
            >>> Hub(revision="v1").command("org/name")
            'hf download org/name --revision v1'
        """
        return f"hf download {repository}" + (f" --revision {self.revision}" * bool(self.revision))

    def offline(self) -> bool:
        """Whether the network must not be used."""
        from huggingface_hub import constants

        return constants.HF_HUB_OFFLINE if self.local_files_only is None else self.local_files_only

    def _cached_versions(self, repository: str) -> list[Path]:
        """All versions of a repository in the cache: the one that was main first, then newest."""
        from huggingface_hub import constants

        home = Path(self.cache_dir or constants.HF_HUB_CACHE).expanduser()
        home /= f"models--{repository.replace('/', '--')}"
        main = home / "refs" / "main"
        last = main.read_text("utf-8").strip() if main.is_file() else ""
        folders = [folder for folder in (home / "snapshots").glob("*") if folder.is_dir()]
        return sorted(folders, key=lambda f: (f.name == last, f.stat().st_mtime), reverse=True)

    def download(self, repository: str, patterns: list[str]) -> Path:
        """The folder of a repository's snapshot with the files that match; uses the network.

        Raises:
            ModelError: it cannot be downloaded; the message says why.
        """
        import huggingface_hub

        try:
            if self.revision is not None:  # a missing one would be tried five times, with output
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
            return _Missing(
                f"{repository} is gated: accept its terms on its hub page, then `hf auth login`",
                gated=True,
            )
        if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
            return _Missing(
                f"there is no model {repository} on the hub, or it is private: check the name, or "
                "`hf auth login` if it is yours"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return _Missing(
                f"{repository} no longer has the commit {self.revision} of this alias: pass "
                f"{repository}@main for its newest version"
                if self.pinned
                else f"{repository} has no revision {self.revision!r}: leave revision out"
            )
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return ModelError(f"the disk is full: {repository} could not be stored in the cache")
        unreachable = isinstance(error, errors.LocalEntryNotFoundError)
        if isinstance(error, errors.HfHubHTTPError) and not unreachable:
            return ModelError(f"the hub refused {repository}: {one_line(error)}")
        root: BaseException = error
        while (cause := root.__cause__ or root.__context__) is not None:
            root = cause
        return ModelError(
            f"{repository} is not in the local cache and the hub cannot be reached: run "
            f"`{self.command(repository)}` where there is a network, or pass a folder "
            f"({one_line(root, 100)})"
        )


@final
class _Missing(ModelError):
    """One repository is missing or gated; another one with the same weights may be available."""

    def __init__(self, text: str, *, gated: bool = False) -> None:
        super().__init__(text)
        self.gated = gated


def download_pipeline(repository: str, hub: Hub) -> Path:
    """A whole diffusers folder; its configuration is checked before its weights are downloaded."""
    folder = download_configs(repository, hub)
    parts = networks(folder)
    variants = [hub.variant, None] if hub.variant else [None, *HALVES]
    for variant in variants:
        folder = hub.download(repository, [*CONFIGS, *weight_patterns(parts, variant)])
        if has_weights(folder, hub.variant) or (hub.variant is None and is_complete(folder, None)):
            return folder
    raise ModelError(
        f"the download of {repository} has no complete safetensors weights: it may hold only "
        "pickles (search for a converted copy), or the network broke off (try "
        f"`hf download {repository}`)"
    )


def download_configs(repository: str, hub: Hub) -> Path:
    """The small files of a diffusers folder: what a single checkpoint file lacks."""
    folder = hub.download(repository, list(CONFIGS))
    check_configs(folder)
    return folder


def fetch_network(model: str | Path, hub: Hub) -> Path:
    """The folder of one network: a local one, or on the hub (org/name, or org/name/folder).

    Raises:
        ModelError: it is not available, or no whole safetensors file.
    """
    folder = Path(model).expanduser()
    refuse_pickle(folder)
    if not folder.is_dir():
        org, _, rest = str(model).partition("/")
        name, _, inside = rest.partition("/")
        if not name or str(model).startswith((".", "/", "~")):
            raise ModelError(f"there is no folder {model}: pass one, or a hub id org/name")
        start = f"{inside}/" if inside else ""
        files = [f"{start}config.json", *(f"{start}{stem}*.safetensors*" for stem in STEMS)]
        whole = hub.fetch_files(f"{org}/{name}", files, lambda f: bool(weight_files(f / inside)))
        folder = whole / inside
    if not weight_files(folder):
        what = "only pickles" if pickles(folder) else "no whole network in safetensors"
        raise ModelError(f"{model} holds {what}: pass a folder as save_pretrained writes it")
    for file in weight_files(folder):
        read_header(file)
    return folder
