"""Inputs and results in object stores, by way of fsspec: s3://, gs://, abfs://, memory://."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

from dreamsampler.files import InputError, OutputError
from dreamsampler.interfaces.batch.ledger import Record, Store
from dreamsampler.interfaces.batch.options import LEDGER

STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "adl", "memory", "file")
"""Protocols that are read; none that connects to a host named by a manifest."""
LARGEST = 1 << 30
"""Bytes of a file that is fetched."""
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
LINES = "ledger"
"""Folder with the ledger's lines, an object a row."""


def store_of(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
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
    """Copy an object into a folder here, under its own name."""
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
class RemoteLedger(Store):
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
        staging = Path(tempfile.mkdtemp(prefix="dreamsampler-"))
        super().__init__(url.rstrip("/"), staging / LEDGER, staging)
        try:
            self._system, self._path = store_of(self.root)
            self._file.touch()
            with self._explaining():
                known = self._system.glob(f"{self._path}/{LINES}/*.json")
                if known and not resume:
                    raise OutputError(
                        f"{self.root} holds a batch already: pass --resume to go on with it, or "
                        "another one"
                    )
                for path in known:
                    self._append(Record.read(self._system.cat_file(path)))
        except (InputError, OutputError):
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def is_same(self, name: str, path: str) -> bool:
        """By the address: an object that is read is there."""
        return path == self.name_of(name)

    def opened(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A copy."""
        return fetched(self.name_of(name))

    def write(self, name: str, data: bytes) -> str:
        """Put an object."""
        with self._explaining():
            self._system.pipe_file(f"{self._path}/{name}", data)
        return self.name_of(name)

    def commit(self, record: Record) -> None:
        """Put a row's results, then its line."""
        for name in record.outputs:
            self.write(name, (self.staging / str(record.staged) / name).read_bytes())
        self.write(f"{LINES}/{record.row:08d}.json", record.line)
        if record.staged is not None:
            shutil.rmtree(self.staging / record.staged, ignore_errors=True)
        self._append(record)

    def close(self) -> None:
        """Put all lines into one object as well, and remove what is here."""
        lines = b"".join(record.line for record in self.records())
        shutil.rmtree(self.staging, ignore_errors=True)
        if lines:
            self.write(LEDGER, lines)

    def _append(self, record: Record) -> None:
        with open(self._file, "ab") as file:
            self._note(record, file.tell())
            file.write(record.line)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (OutputError, InputError):
            raise
        except Exception as error:  # each store has errors of its own
            raise OutputError(
                f"{self.root} cannot be used ({_short(error)}): check the address and your rights"
            ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
