"""Files: how people name them, the encoding of text, and how they are written, whole or not."""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import final
from urllib.parse import urlsplit
from urllib.request import url2pathname

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, the longer ones first."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""Those that the description of a scene may leave out."""


@final
class InputError(ValueError):
    """What was given cannot be used: what came, what it must be, what to do."""


@final
class OutputError(OSError):
    """A result cannot be written: where, why, what to do."""


def write_whole(path: str | Path, data: bytes) -> None:
    """Write a file that appears under its name only when it is complete.

    The bytes go to a hidden file in the same folder, are forced to the disk, and take the name by a
    rename; whatever goes wrong before (a full disk, Ctrl-C) removes the hidden file and leaves an
    older file of that name as it was.

    Args:
        path: where the file shall appear; missing folders are made, links are followed.

    Raises:
        OutputError: if the folder or the disk does not take the file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new" / "note.txt"
        >>> write_whole(path, b"whole")
        >>> path.read_bytes(), len(list(path.parent.iterdir()))
        (b'whole', 1)
    """
    path = _target(Path(path))
    part = _part(path)
    with _explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(part, data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | Path, own: Callable[[str], bool]) -> Iterator[Path]:
    """Inside, a hidden folder to fill; its files appear under `path` only when all are there.

    A new folder takes its name by one rename. In a folder that exists the new files take the place
    of what an earlier run left, and the rest of that (older files that are `own`) is removed.
    Whatever goes wrong before (a full disk, Ctrl-C) leaves everything as it was.

    Args:
        own: whether a file of that name may be replaced; see `check_folder`.

    Raises:
        OutputError: if the folder cannot be made or filled, or holds what is not our own.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scene"
        >>> with whole_folder(path, lambda name: False) as part:
        ...     _ = (part / "a.txt").write_bytes(b"a"), path.exists()
        >>> [each.name for each in path.iterdir()], len(list(path.parent.iterdir()))
        (['a.txt'], 1)
    """
    path = Path(os.path.realpath(path))
    check_folder(path, own)
    part = path / _part(path).name if path.exists() else _part(path)
    with contextlib.ExitStack() as undo:
        for folder in reversed([each for each in path.parents if not each.exists()]):
            undo.callback(_remove_empty, folder)
        undo.callback(shutil.rmtree, part, ignore_errors=True)
        with _explaining(path):
            part.mkdir(parents=True)
        yield part
        with _explaining(path):
            _move_in(part, path, own)


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise explained(path, error) from error


def _move_in(part: Path, path: Path, own: Callable[[str], bool]) -> None:
    """Give a filled folder its name, or its files their places in a folder that exists."""
    if not path.exists():
        os.replace(part, path)
        return
    new = sorted(each.name for each in part.iterdir())
    for name in new:
        os.replace(part / name, path / name)
    for each in path.iterdir():
        if each.is_file() and own(each.name) and each.name not in new:
            each.unlink()


def numbered(path: str | Path, count: int) -> list[Path]:
    """The names of several outputs: OUT-0.png, OUT-1.png, ...; a single one keeps its name.

    Example:
        >>> [each.name for each in numbered("dog.png", 2)]
        ['dog-0.png', 'dog-1.png']
    """
    path = Path(path)
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(count)]


def check_writable(path: str | Path, reserve: int = 1 << 20) -> None:
    """Refuse an output before anything is computed for it.

    Makes the missing folders, tries a file beside the name and removes all of it again, so that a
    run of minutes does not fail at its end on something that was wrong at its start, and one that
    is refused leaves nothing behind.

    Args:
        reserve: bytes that must fit.

    Raises:
        OutputError: if the name is a folder or a device, a part of it is a file, or the folder
            takes no file of that size.
    """
    path = _target(Path(path))
    probe = _part(path)
    with _explaining(path), contextlib.ExitStack() as undo:
        for folder in reversed([each for each in path.parents if not each.exists()]):
            undo.callback(_remove_empty, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        undo.callback(probe.unlink, missing_ok=True)
        _reserve(probe, reserve)


def check_folder(path: str | Path, own: Callable[[str], bool] | None = None) -> None:
    """Refuse an output folder before anything is computed for it.

    Args:
        own: whether a file of that name may be replaced; by default the folder may hold anything.

    Raises:
        OutputError: if it is a file, cannot be made, takes no files, or holds what may not be
            replaced; hidden files stay and do not count.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file, but must be a folder: choose another name")
    if own is not None and path.exists():
        seen = [each for each in path.iterdir() if not each.name.startswith(".")]
        foreign = sorted(each.name for each in seen if not (each.is_file() and own(each.name)))
        if foreign:
            raise OutputError(
                f"{path} holds {foreign[0]}, which is none of the files that are written here: "
                "choose an empty or a new folder"
            )
    try:
        check_writable(path / "probe")
    except OutputError as error:
        raise OutputError(str(error).replace(f"{path / 'probe'}", f"{path}")) from error.__cause__


def local(name: str | Path) -> Path:
    """A file as people name it: `~` and file:// addresses are understood.

    Example:
        >>> local("file:///pictures/my%20cat.png").as_posix()
        '/pictures/my cat.png'
    """
    text = str(name)
    if re.match(r"file:/", text, re.I):
        text = url2pathname(urlsplit(text).path)
    if text.startswith("~"):
        with contextlib.suppress(RuntimeError):  # nobody of that name: a file that begins with it
            return Path(text).expanduser()
    return Path(text)


def located(name: str | Path, folder: Path) -> Path:
    """A relative file in a folder if it is there, else from the current folder."""
    path = local(name)
    try:
        return folder / path if (folder / path).exists() or not path.exists() else path
    except (OSError, ValueError):  # a name too long, or with a zero in it
        return path


def named_like(name: str, present: Iterable[str]) -> str | None:
    """The file that is meant: letter case, and a suffix that is left out, do not matter.

    Example:
        >>> named_like("r_0", ["R_0.JPG", "r_0.PNG"])
        'r_0.PNG'
    """
    present = sorted(present, reverse=True)
    names = [name, *(name + suffix for suffix in SUFFIXES)]
    exact, folded = {p: p for p in present}, {p.casefold(): p for p in present}
    found = [*map(exact.get, names), *(folded.get(each.casefold()) for each in names)]
    return next((each for each in found if each is not None), None)


def text_encoding(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, UTF-8, or with a warning Windows-1252.

    Raises:
        InputError: it is none of them.
    """
    with open(path, "rb") as file:
        start = file.read(4096)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    for name, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if zeros.count(0) > len(zeros) / 2:
            return name
    for name in ("utf-8", "cp1252"):
        try:
            with open(path, encoding=name) as file:
                while file.read(1 << 20):
                    pass
        except UnicodeDecodeError:
            continue
        if name == "cp1252":
            warnings.warn(
                f"{path} is not UTF-8: it is read as Windows-1252; if words look odd, save it as "
                "UTF-8",
                stacklevel=2,
            )
        return name
    raise InputError(f"{path} is neither UTF-8 nor Windows-1252: save it as UTF-8")


def one_line(error: BaseException, limit: int = 240) -> str:
    r"""The message of an error, on one line and not too long; its class where it has none.

    Example:
        >>> one_line(OSError("no such file\n  at all"))
        'no such file at all'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _part(path: Path) -> Path:
    """A hidden name in the same folder, so that the rename never crosses a disk."""
    return path.with_name(f".dreamsampler-{secrets.token_hex(6)}.part")


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _reserve(path: Path, size: int) -> None:
    """A file of that size, without writing it where the system can do so."""
    if not hasattr(os, "posix_fallocate"):
        _write(path, bytes(min(size, 1 << 24)))
        return
    with open(path, "xb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # never made, or in use by now
        folder.rmdir()


def _target(path: Path) -> Path:
    """The regular file that a name stands for, links followed."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:
        raise explained(path, error) from error
    if mode is not None:
        if stat.S_ISDIR(mode):
            raise OutputError(f"{path} is a folder, but must be a file: write {path}/NAME.png")
        if not stat.S_ISREG(mode):
            raise OutputError(f"{path} is not a plain file: choose a file name such as out.png")
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


_REASONS = {
    errno.ENOSPC: "the disk is full: make room or write elsewhere",
    errno.EDQUOT: "the disk quota is used up: make room or write elsewhere",
    errno.EFBIG: "files of that size are not allowed here (ulimit -f): write elsewhere",
    errno.EACCES: "the folder may not be written: choose another folder",
    errno.EPERM: "the folder may not be written: choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOTDIR: "a part of that path is a file, not a folder: choose another path",
    errno.EEXIST: "a part of that path is a file, not a folder: choose another path",
    errno.ENOENT: "the folder cannot be made: choose another folder",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def explained(path: Path, error: OSError) -> OutputError:
    """What an error of the disk means for a file that was to be written, and what to do."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}: choose another folder")
    return OutputError(f"cannot write {path}: {reason}")
