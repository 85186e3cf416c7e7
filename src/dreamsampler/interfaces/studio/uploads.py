"""Files that visitors send: limited, decoded at once, kept for some hours under random ids."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, final

from dreamsampler.files import InputError, named_like
from dreamsampler.images.header import check_picture
from dreamsampler.interfaces.studio.run_store import SCENE, RunStore

if TYPE_CHECKING:
    from PIL import Image

Kind: TypeAlias = Literal["picture", "svg", "scene", "file"]

TRANSFORMS = re.compile(r"transforms(_train|_val|_test)?\.json")
CAMERAS = re.compile(r"(cameras|images|points3D)\.(bin|txt)")
"""The files that describe the cameras of a scene: of transforms.json, or of a COLMAP model."""
OTHERS = (".npy", ".safetensors", ".csv", ".txt")
"""Suffixes of files that operators and calls may name, besides pictures."""
MOST_FILES = 512
"""Of one scene."""
PREVIEWS = "previews"
"""Folder among the uploads."""
SHOWN = 1600
"""Longest side of a picture for the page, in pixels."""
KEPT_HOURS, CLEAN_MINUTES = 6.0, 10.0
"""Hours after which unused files are deleted, and minutes between the checks for those."""


@final
class TooLarge(ValueError):
    """Too many bytes or pixels."""


@final
@dataclass(frozen=True)
class Limits:
    """How much one submission may take.

    Args:
        bytes: of one file.
        pixels: of one picture, going in or coming out.
    """

    bytes: int
    pixels: int

    def check_bytes(self, path: Path) -> None:
        """Refuse a file of too many bytes; TooLarge."""
        if path.stat().st_size > self.bytes:
            raise TooLarge(
                f"{path.name} is larger than {self.bytes / 1e6:g} MB, which is the most here"
            )

    def check_picture(self, path: Path) -> tuple[int, int]:
        """Height and width of a picture by its header; TooLarge for too many pixels."""
        height, width = check_picture(path)
        self.check_size(height, width, path.name)
        return height, width

    def check_size(self, height: int, width: int, what: str) -> None:
        """Refuse too many pixels; TooLarge."""
        if height * width > self.pixels:
            raise TooLarge(
                f"{what} has {width}x{height} pixels, and this studio takes at most "
                f"{self.pixels / 1e6:g} megapixels: scale it down first"
            )


@final
@dataclass(frozen=True)
class Upload:
    """A file of a visitor, or of a run.

    Args:
        id: what the visitor calls it.
        path: the file; of a scene the folder.
        kind: what it is.
        size: height and width in pixels; of a scene, of its first picture; 0 for other files.
    """

    id: str
    path: Path
    kind: Kind
    size: tuple[int, int] = (0, 0)

    @property
    def shown(self) -> Path:
        """The picture of it; the first one of a scene."""
        return first_picture(self.path) if self.kind == "scene" else self.path


@final
@dataclass(frozen=True, eq=False)
class Uploads:
    """The files of all visitors.

    An id is of 32 random digits, or names an input of a kept run: RUN~NAME.

    Args:
        root: the folder of the files; whatever is in there is deleted some hours after its use.
        store: the runs.
        limits: of files and pictures.
    """

    root: Path
    store: RunStore
    limits: Limits
    _used: dict[str, tuple[str, Upload, float]] = field(default_factory=dict)
    _cleaned: list[float] = field(default_factory=lambda: [time.monotonic()])
    _decoding: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))

    def add(self, owner: str, files: Sequence[tuple[str, BinaryIO | Path]]) -> Upload:
        """Take one file, or those of a scene.

        Args:
            owner: whose they are.
            files: name and bytes of each.

        Raises:
            InputError: too many bytes or pixels, or no file that can be used.
        """
        self._clean()
        name = secrets.token_hex(16)
        folder = self.root / name
        folder.mkdir(parents=True, mode=0o700)
        try:
            if len(files) > MOST_FILES:
                raise InputError(f"{len(files)} files are too many: {MOST_FILES} is the most")
            paths = [self._written(folder / "in", *each) for each in files]
            names = [path.name for path in paths]
            if len(paths) > 1 or TRANSFORMS.fullmatch(names[0]):
                copy_scene(paths, folder / SCENE, self.limits)
                shutil.rmtree(folder / "in")
                upload = Upload(name, folder / SCENE, "scene")
            else:
                upload = Upload(name, paths[0], kind_of(paths[0]))
            upload = self._decoded(upload)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._used[name] = owner, upload, time.monotonic()
        return upload

    def find(self, owner: str, name: Any) -> Upload:
        """An owner's file by its id; InputError if there is none."""
        run, tilde, inside = str(name).partition("~")
        if tilde:
            return self._of_run(owner, run, inside)
        whose, upload, _ = self._used.get(str(name), ("", None, 0.0))
        if upload is None or whose != owner or not upload.path.exists():
            raise InputError("this file is no longer there: upload it again")
        self._used[upload.id] = owner, upload, time.monotonic()
        return upload

    def _of_run(self, owner: str, run: str, inside: str) -> Upload:
        """An input of a kept run, or one of its results."""
        path = self.store.find(owner, run).file(inside)
        kind: Kind = "scene" if path.is_dir() else kind_of(path)
        return self._sized(Upload(f"{run}~{inside}", path, kind))

    def preview(self, upload: Upload) -> Path:
        """A WebP that every browser shows, at most `SHOWN` pixels long."""
        name = hashlib.sha256(upload.id.encode()).hexdigest()
        path = self.root / PREVIEWS / f"{name}.webp"
        if not path.exists():
            self._draw(upload, path)
        return path

    def _written(self, folder: Path, name: str, data: BinaryIO | Path) -> Path:
        path = folder / safe_name(name)
        if path.exists():
            raise InputError(f"two files are called {path.name}: rename one of them")
        folder.mkdir(exist_ok=True)
        if isinstance(data, Path):
            shutil.copyfile(data, path)
        else:
            with path.open("wb") as file:
                shutil.copyfileobj(data, file)
        self.limits.check_bytes(path)
        return path

    def _decoded(self, upload: Upload) -> Upload:
        """The same with its size; drawn once, so that nothing broken is kept."""
        sized = self._sized(upload)
        if sized.kind != "file":
            self.preview(sized)
        return sized

    def _sized(self, upload: Upload) -> Upload:
        if upload.kind == "svg":
            from dreamsampler.generators.vector import read_svg

            scene = read_svg(upload.path)
            size = scene.height, scene.width
            self.limits.check_size(*size, upload.path.name)
        else:
            size = (0, 0) if upload.kind == "file" else self.limits.check_picture(upload.shown)
        return Upload(upload.id, upload.path, upload.kind, size)

    def _draw(self, upload: Upload, path: Path) -> None:
        with self._decoding:  # each decoded picture takes up to 200 MB
            image = picture_of(upload)
            image.thumbnail((SHOWN, SHOWN))
            path.parent.mkdir(exist_ok=True, mode=0o700)
            part = path.with_suffix(f".{secrets.token_hex(4)}")
            image.save(part, "WEBP", quality=90)
            part.replace(path)

    def _clean(self) -> None:
        """Delete what was not used for some hours."""
        now = time.monotonic()
        if now - self._cleaned[0] < 60 * CLEAN_MINUTES:
            return
        self._cleaned[0] = now
        for name, (_, _, used) in list(self._used.items()):
            if now - used > 3600 * KEPT_HOURS:
                del self._used[name]
                shutil.rmtree(self.root / name, ignore_errors=True)
        for path in (self.root / PREVIEWS).glob("*"):
            if time.time() - path.stat().st_mtime > 3600 * KEPT_HOURS:
                path.unlink(missing_ok=True)


def kind_of(path: Path) -> Kind:
    """What a single file is, by its name."""
    suffix = path.suffix.lower()
    return "svg" if suffix == ".svg" else "file" if suffix in OTHERS else "picture"


def picture_of(upload: Upload) -> Image.Image:
    """A file as a picture of Pillow, upright, with its transparency; InputError for no picture."""
    from dreamsampler.images.save import as_pil

    if upload.kind == "svg":
        from dreamsampler.generators.vector import read_svg
        from dreamsampler.tasks.vectorize.initialize import picture_of_scene

        picture = picture_of_scene(read_svg(upload.path))
    else:
        from dreamsampler.images.picture import open_picture

        picture = open_picture(upload.shown)
    return as_pil(picture.rgb, picture)


def first_picture(scene: Path) -> Path:
    """The first picture of a scene's folder."""
    from dreamsampler.generators.field import read_scene

    return read_scene(scene)[0].path


def safe_name(name: str) -> str:
    """A file name without folders, leading dots or odd signs.

    Example:
        >>> safe_name("../.my cat?.png")
        'my cat-.png'
    """
    kept = re.sub(r"[^\w .()+-]", "-", Path(name.replace("\\", "/")).name).lstrip(". ")
    stem, suffix = Path(kept).stem[:80], Path(kept).suffix[:16]
    return f"{stem or 'file'}{suffix}"


def copy_scene(uploads: Iterable[Path], folder: Path, limits: Limits) -> Path:
    """Copy the files of a scene to where its transforms.json or COLMAP model expects them.

    Browsers send files without their folders: a frame called "images/view_000.png" is matched with
    the upload called view_000.png.
    """
    given = {each.name: each for each in uploads}
    tables = [name for name in given if TRANSFORMS.fullmatch(name)]
    if tables:
        for name in tables:
            _copy(given[name], folder / name)
        named = {relative for name in tables for relative in _named(given[name])}
        _copy_pictures(sorted(named), given, lambda relative: folder / relative, limits)
        return folder
    models = [name for name in given if CAMERAS.fullmatch(name)]
    if not models:
        raise InputError(
            "several files are a scene, which needs transforms.json, or cameras and images of "
            "COLMAP (.bin or .txt): upload them together with the pictures"
        )
    for name in models:
        _copy(given[name], folder / "sparse" / "0" / name)
    from dreamsampler.generators.field.colmap import image_names

    names = image_names(folder)
    _copy_pictures(names, given, lambda relative: folder / "images" / relative, limits)
    masks = [f"{name}.png" for name in names if f"{Path(name).name}.png" in given]
    _copy_pictures(masks, given, lambda relative: folder / "masks" / relative, limits)
    return folder


def _copy_pictures(
    named: Iterable[str], given: Mapping[str, Path], place: Callable[[str], Path], limits: Limits
) -> None:
    for relative in named:
        path = Path(relative)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{relative} leaves the folder of its scene: name pictures inside it")
        like = named_like(path.name, given)
        if like is None:
            raise InputError(f"the scene names {path.name}, which was not uploaded with it")
        limits.check_picture(given[like])
        _copy(given[like], place(relative).with_name(given[like].name))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _named(table: Path) -> Iterable[str]:
    """Every picture and mask that a transforms.json names."""
    try:
        document: Any = json.loads(table.read_bytes())
        frames = document["frames"]
        names = [f.get(key) for f in frames for key in ("file_path", "mask_path")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{table.name} is no description of a scene: it needs frames") from error
    return [PureWindowsPath(n).as_posix() for n in names if isinstance(n, str) and n]
