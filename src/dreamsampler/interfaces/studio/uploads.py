"""Files that visitors send: limited, decoded at once, kept for some hours under random ids."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, final

from dreamsampler.images.header import check_picture
from dreamsampler.interfaces.studio.failures import Refused
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.scenes import TRANSFORMS, copy_scene, safe_name

if TYPE_CHECKING:
    from PIL import Image

Kind: TypeAlias = Literal["picture", "svg", "scene", "file"]

OTHERS = (".npy", ".safetensors", ".csv", ".txt")
"""Suffixes of files that operators and calls may name, besides pictures."""
MOST_FILES = 512
"""Of one scene."""
SHOWN, MEASURED, DRAWN = 1600, 1024, 512
"""Longest side of a picture for the page, of one that an operator is shown on, and least longer
side of a drawing that is used as a picture, in pixels."""
KEPT_HOURS, CLEAN_MINUTES = 6.0, 10.0
"""Hours after which unused files are deleted, and minutes between the checks for those."""


@final
@dataclass(frozen=True)
class Limits:
    """Most bytes of one file, and most pixels of one picture, going in or coming out."""

    bytes: int
    pixels: int

    def check_bytes(self, path: Path) -> None:
        """Refuse a file of too many bytes."""
        if path.stat().st_size > self.bytes:
            most = f"{self.bytes / 1e6:g} MB, which is the most here"
            raise Refused(f"{path.name} is larger than {most}", 413)

    def check_picture(self, path: Path) -> tuple[int, int]:
        """Height and width of a picture by its header; too many pixels are refused."""
        height, width = check_picture(path)
        self.check_size(height, width, path.name)
        return height, width

    def check_size(self, height: int, width: int, what: str, field: str | None = None) -> None:
        """Refuse too many pixels; the error names the field."""
        if height * width > self.pixels:
            raise Refused(
                f"{what} has {width}x{height} pixels, and this studio takes at most "
                f"{self.pixels / 1e6:g} megapixels: scale it down first",
                413,
                field,
            )


@final
@dataclass(frozen=True)
class Upload:
    """A file of a visitor, or of a run, or the folder of a scene; its height and width."""

    id: str
    path: Path
    size: tuple[int, int] = (0, 0)

    @property
    def kind(self) -> Kind:
        """What it is, by its name."""
        suffix = self.path.suffix.lower()
        single: Kind = "svg" if suffix == ".svg" else "file" if suffix in OTHERS else "picture"
        return "scene" if self.path.is_dir() else single

    @property
    def shown(self) -> Path:
        """The file itself, or the first picture of a scene."""
        if not self.path.is_dir():
            return self.path
        from dreamsampler.generators.field import read_scene

        return read_scene(self.path)[0].path

    def picture(self) -> Image.Image:
        """As a picture of Pillow, upright, with its transparency; InputError for no picture."""
        from dreamsampler.images.picture import open_picture
        from dreamsampler.images.save import as_pil

        if self.kind != "svg":
            found = open_picture(self.shown)
            return as_pil(found.rgb, found)
        from dreamsampler.tasks.vectorize.initialize import picture_of_scene

        found = picture_of_scene(self.drawing())
        return as_pil(found.rgb, found)

    def drawing(self) -> Any:
        """An SVG file as a scene, `DRAWN` pixels long at least; InputError."""
        from dreamsampler.generators.vector import read_svg

        scene = read_svg(self.path)
        long = max(scene.width, scene.height) >= DRAWN
        return scene if long else read_svg(self.path, DRAWN)


@final
@dataclass(frozen=True, eq=False)
class Uploads:
    """The files of all visitors.

    An id is of 32 random digits, or names a file of a kept run: RUN~NAME.
    """

    root: Path
    """The folder of the files; what is in there is deleted some hours after its use."""
    store: RunStore
    limits: Limits
    _used: dict[str, tuple[str, Upload, float]] = field(default_factory=dict)
    _cleaned: list[float] = field(default_factory=lambda: [time.monotonic()])
    decoding: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))
    """To be held by whoever decodes a picture, which takes up to 200 MB."""

    def add(self, owner: str, files: Sequence[tuple[str, BinaryIO | Path]]) -> Upload:
        """Take one file, or those of a scene, by name and bytes; ValueError for what is no use."""
        self._clean()
        name = secrets.token_hex(16)
        folder = self.root / name
        folder.mkdir(parents=True, mode=0o700)
        try:
            if len(files) > MOST_FILES:
                raise Refused(f"{len(files)} files are too many: {MOST_FILES} is the most", 413)
            paths = [self._written(folder / "in", *each) for each in files]
            if len(paths) > 1 or TRANSFORMS.fullmatch(paths[0].name):
                paths = [copy_scene(paths, folder / "scene", self.limits.check_picture)]
                shutil.rmtree(folder / "in")
            upload = self._sized(Upload(name, paths[0]))
            if upload.kind != "file":
                self.preview(upload)  # decodes all of it
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._used[name] = owner, upload, time.monotonic()
        return upload

    def find(self, owner: str, name: Any) -> Upload:
        """An owner's file by its id; Refused if there is none."""
        run, tilde, inside = str(name).partition("~")
        if tilde:
            return self._sized(Upload(str(name), self.store.find(owner, run).file(inside)))
        whose, upload, _ = self._used.get(run, ("", None, 0.0))
        if upload is None or whose != owner or not upload.path.exists():
            raise Refused("this file is no longer there: upload it again", 404)
        self._used[run] = owner, upload, time.monotonic()
        return upload

    def preview(self, upload: Upload) -> Path:
        """A WebP that every browser shows, at most `SHOWN` pixels long."""
        name = hashlib.sha256(upload.id.encode()).hexdigest()
        path = self.root / "previews" / f"{name}.webp"
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.decoding:
            image = upload.picture()
            image.thumbnail((SHOWN, SHOWN))
            part = path.with_suffix(f".{secrets.token_hex(4)}")
            image.save(part, "WEBP", quality=90)
            return part.replace(path)

    def _written(self, folder: Path, name: str, data: BinaryIO | Path) -> Path:
        path = folder / safe_name(name)
        if path.exists():
            raise Refused(f"two files are called {path.name}: rename one of them", 400)
        folder.mkdir(exist_ok=True)
        if isinstance(data, Path):
            shutil.copyfile(data, path)
        else:
            with path.open("wb") as file:
                shutil.copyfileobj(data, file)
        self.limits.check_bytes(path)
        return path

    def _sized(self, upload: Upload) -> Upload:
        if upload.kind == "file":
            return upload
        if upload.kind != "svg":
            return replace(upload, size=self.limits.check_picture(upload.shown))
        scene = upload.drawing()
        self.limits.check_size(scene.height, scene.width, upload.path.name)
        return replace(upload, size=(scene.height, scene.width))

    def _clean(self) -> None:
        """Delete what was not used for some hours."""
        now, longest = time.monotonic(), 3600 * KEPT_HOURS
        if now - self._cleaned[0] < 60 * CLEAN_MINUTES:
            return
        self._cleaned[0] = now
        for name in [n for n, (_, _, used) in list(self._used.items()) if now - used > longest]:
            del self._used[name]
            shutil.rmtree(self.root / name, ignore_errors=True)
        for path in (self.root / "previews").glob("*"):
            if time.time() - path.stat().st_mtime > longest:
                path.unlink(missing_ok=True)
