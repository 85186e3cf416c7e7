"""Inputs and results in object stores, by way of fsspec: s3://, gs://, abfs://, memory://."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

from dreamsampler.files import InputError, OutputError
from dreamsampler.interfaces.batch.ask import LEDGER
from dreamsampler.interfaces.batch.ledger import Record

STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory", "file")
"""Protocols that are taken; none that would ask a host named by a manifest."""
LARGEST = 1 << 30
"""Bytes of a file that is fetched."""
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
LINES = "ledger"
"""Folder with the ledger's lines, an object a row."""


def store_of(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises:
        InputError: a protocol that is not taken, or whose package is not installed.
    """
    protocol = url.partition("://")[0]
    if protocol not in STORES:
        raise InputError(
            f"{url} is an address of a kind that is not read: use {', '.join(STORES)}, or download "
            "it first"
        )
    try:
        import fsspec

        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol, "adlfs")
        raise InputError(f"{url} takes another package: pip install {package}") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{url} cannot be reached ({_short(error)})") from error


def fetch(url: str, folder: Path) -> Path:
    """Copy an object into a folder here, under its own name.

    Raises:
        InputError: it is not there, too large, or cannot be read.
    """
    system, path = store_of(url)
    name = Path(path).name
    if not name:
        raise InputError(f"{url} names no file")
    try:
        size = system.size(path) or 0
        if size > LARGEST:
            raise InputError(f"{url} has {size:,} bytes, but {LARGEST:,} are the most")
        folder.mkdir(parents=True, exist_ok=True)
        system.get_file(path, str(folder / name))
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no file {url}: check the name") from error
    except Exception as error:  # each store has errors of its own
        raise InputError(f"{url} cannot be read ({_short(error)})") from error
    return folder / name


@contextlib.contextmanager
def fetched(url: str) -> Iterator[Path]:
    """An object as a file here, for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="dreamsampler-") as folder:
        yield fetch(url, Path(folder))


@final
class RemoteLedger:
    """The output folder of a batch in an object store, where objects appear whole or not at all.

    A row's results are put first and its line, an object of its own, last: a row without a line is
    done again and replaces its results. Two batches at once are not kept apart.

    Args:
        url: of the folder.
        resume: whether it may hold a batch already.

    Raises:
        OutputError: it holds a batch, or cannot be written.
    """

    def __init__(self, url: str, *, resume: bool) -> None:
        self._url = url.rstrip("/")
        self._system, self._root = store_of(self._url)
        self.staging = Path(tempfile.mkdtemp(prefix="dreamsampler-"))
        self._mirror = open(self.staging / LEDGER, "w+b")  # noqa: SIM115  # until close
        self._places: dict[int, int] = {}
        self.done: dict[int, str] = {}
        try:
            self._read(resume)
        except OutputError:
            self._forget()
            raise

    def _read(self, resume: bool) -> None:
        with self._explaining():
            known = self._system.glob(f"{self._root}/{LINES}/*.json")
            if known and not resume:
                raise OutputError(
                    f"{self._url} holds a batch already: pass --resume to go on with it, or "
                    "another one"
                )
            for path in known:
                self._note(Record(**json.loads(self._system.cat_file(path))))

    def _forget(self) -> None:
        self._mirror.close()
        shutil.rmtree(self.staging, ignore_errors=True)

    def has(self, number: int, key: str) -> bool:
        """Whether a row is done."""
        return bool(key) and self.done.get(number) == key

    def holds(self, name: str) -> bool:
        """Whether there is an object of that name."""
        with self._explaining():
            return bool(self._system.exists(f"{self._root}/{name}"))

    def is_same(self, name: str, path: str) -> bool:
        """Whether a name here is the object that an address leads to."""
        return path == f"{self._url}/{name}"

    def name_of(self, name: str) -> str:
        """What an object is called for a user."""
        return f"{self._url}/{name}"

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """A result as a file here."""
        with fetched(self.name_of(name)) as path:
            yield path

    def write(self, name: str, data: bytes) -> str:
        """Put an object beside the results; returns what it is called."""
        with self._explaining():
            self._system.pipe_file(f"{self._root}/{name}", data)
        return self.name_of(name)

    def commit(self, record: Record) -> None:
        """Put a row's results, then its line."""
        staged = None if record.staged is None else self.staging / record.staged
        for name in record.outputs:
            assert staged is not None
            self.write(name, (staged / name).read_bytes())
        self.write(f"{LINES}/{record.row:08d}.json", record.line)
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
        self._note(record)

    def records(self) -> Iterator[Record]:
        """The line of every row, in the order of the rows."""
        for row in sorted(self._places):
            self._mirror.seek(self._places[row])
            yield Record(**json.loads(self._mirror.readline()))

    def close(self) -> None:
        """Put all lines into one object as well, and remove what is here."""
        lines = b"".join(record.line for record in self.records())
        self._forget()
        if lines:
            self.write(LEDGER, lines)

    def _note(self, record: Record) -> None:
        self._mirror.seek(0, 2)
        self._places[record.row] = self._mirror.tell()
        self._mirror.write(record.line)
        self.done.pop(record.row, None)
        if record.status == "done":
            self.done[record.row] = record.key

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (OutputError, InputError):
            raise
        except Exception as error:  # each store has errors of its own
            raise OutputError(
                f"{self._url} cannot be used ({_short(error)}): look at its address and your rights"
            ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
