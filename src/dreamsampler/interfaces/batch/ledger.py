"""The outcome of every row: a file that only grows, and results that appear with their line in it.

A row is done when its line is in the ledger. Its files are written before under hidden names, and
get their own names after; whoever finds a line whose files still have hidden names renames them.
So a batch that is killed at any moment has neither half a file nor a file that the ledger does not
name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, final

from dreamsampler.files import OutputError, check_folder, explained, write_whole
from dreamsampler.interfaces.batch.options import LEDGER

HIDDEN = ".dreamsampler-batch"
"""Folder for what is not done yet."""


@final
@dataclass(frozen=True)
class Record:
    """A row's line in the ledger.

    Args:
        row: its number, from 1.
        key: of its content.
        status: "done" or "failed".
        task: its name.
        input: the picture.
        outputs: names below the output folder.
        sha256: of each output.
        staged: folder below `HIDDEN` that the outputs were written to.
        seconds: stage -> time.
        evaluations: network evaluations.
        report: figures of the result.
        warnings: what was warned of.
        error: why it failed.
        attempts: how often it was begun.
        together: rows that went through the network with it.
        date: when it was done.
    """

    row: int
    key: str
    status: str
    task: str | None = None
    input: str | None = None
    outputs: list[str] = field(default_factory=list)
    sha256: list[str] = field(default_factory=list)
    staged: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    evaluations: int = 0
    report: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    attempts: int = 1
    together: int = 1
    date: str = ""

    @property
    def line(self) -> bytes:
        """As it stands in the ledger."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes | str) -> Record:
        """The record of a line; ValueError or TypeError for what is none."""
        return cls(**json.loads(line))


class Store(ABC):
    """The output folder of a batch, with its ledger.

    Args:
        root: the folder's name or address.
        ledger: a file with the ledger's lines on this machine.
        staging: folder for results that are not final yet.

    Attributes:
        done: row -> key of the rows that are done.
    """

    def __init__(self, root: str, ledger: Path, staging: Path) -> None:
        self.root, self.staging, self._file = root, staging, ledger
        self._places: dict[int, int] = {}
        self.done: dict[int, str] = {}

    def has(self, number: int, key: str) -> bool:
        """Whether a row is done."""
        return self.done.get(number) == key

    def records(self) -> Iterator[Record]:
        """The last record of every row, in the order of the rows."""
        with open(self._file, "rb") as file:
            for row in sorted(self._places):
                file.seek(self._places[row])
                yield Record.read(file.readline())

    def name_of(self, name: str) -> str:
        """The name of a file for a user."""
        return f"{self.root}/{name}"

    def _note(self, record: Record, place: int) -> None:
        """Remember a line of the ledger and the byte at which it begins."""
        self._places[record.row] = place
        self.done.pop(record.row, None)
        if record.status == "done":
            self.done[record.row] = record.key

    @abstractmethod
    def is_same(self, name: str, path: str) -> bool:
        """Whether there is a file of that name, and it is the one of a path or an address."""

    @abstractmethod
    def opened(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A result as a file on this machine."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> str:
        """Write a file beside the results, whole; returns `name_of` it."""

    @abstractmethod
    def commit(self, record: Record) -> None:
        """Make a row's outcome final; OutputError where it cannot be written."""

    @abstractmethod
    def close(self) -> None:
        """Remove what is not final."""


@final
class Ledger(Store):
    """The output folder of a batch on this machine; one process at a time has it.

    Args:
        folder: made if missing.
        resume: whether it may hold a batch already.

    Raises:
        OutputError: the folder cannot be used, holds a batch, or is in use by another process.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        super().__init__(str(folder), folder / LEDGER, folder / HIDDEN)
        self.folder = folder
        if self._file.exists() and not resume:
            raise OutputError(
                f"{folder} holds a batch already: pass --resume to go on with it, or another folder"
            )
        check_folder(folder)
        with _explaining(folder):
            self._lock = _locked(folder)
            self._ledger: BinaryIO = open(self._file, "a+b", buffering=0)  # noqa: SIM115
        self._recover()

    def is_same(self, name: str, path: str) -> bool:
        """By the file system, links followed."""
        try:
            return (self.folder / name).samefile(path)
        except (OSError, ValueError):
            return False

    def opened(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """The file itself."""
        return contextlib.nullcontext(self.folder / name)

    def write(self, name: str, data: bytes) -> str:
        """Write by way of a hidden name."""
        write_whole(self.folder / name, data)
        return self.name_of(name)

    def commit(self, record: Record) -> None:
        """Write the line, then rename the files; an error leaves the ledger as it was."""
        with _explaining(self._file):
            end = os.fstat(self._ledger.fileno()).st_size
            try:
                line = record.line
                if self._ledger.write(line) != len(line):
                    raise OSError(28, "the line was cut")  # ENOSPC: nothing else writes a part
                os.fsync(self._ledger.fileno())
            except OSError:
                self._ledger.truncate(end)
                raise
            self._place(record)
        self._note(record, end)

    def close(self) -> None:
        """Remove the hidden folder, and let others have the folder."""
        self._ledger.close()
        shutil.rmtree(self.staging, ignore_errors=True)
        self._lock.close()

    def _recover(self) -> None:
        """Finish what a killed process left: rename, forget half a line, remove the rest."""
        with _explaining(self._file):
            for place, record in self._lines():
                self._note(record, place)
                if record.status == "done":
                    self._place(record)
                    if not all((self.folder / name).is_file() for name in record.outputs):
                        del self.done[record.row]  # somebody removed it: do it again
            for left in self.staging.iterdir():
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)

    def _place(self, record: Record) -> None:
        if record.staged is None:
            return
        staged = self.staging / record.staged
        if not staged.is_dir():
            return
        for name in record.outputs:
            if (staged / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged / name, self.folder / name)
        shutil.rmtree(staged, ignore_errors=True)

    def _lines(self) -> Iterator[tuple[int, Record]]:
        """The byte at which a line begins, and its record; half a line at the end is cut off."""
        place = 0
        with open(self._file, "rb") as file:
            for line in file:
                try:
                    if not line.endswith(b"\n"):
                        raise ValueError("half a line")
                    record = Record.read(line)
                except (ValueError, TypeError):
                    if file.read(1):
                        raise OutputError(
                            f"{self._file} is damaged at byte {place}: remove that line, or begin "
                            "anew in another folder"
                        ) from None
                    self._ledger.truncate(place)
                    return
                yield place, record
                place += len(line)


def _locked(folder: Path) -> BinaryIO:
    """A lock that ends with the process, however that ends.

    A batch that ends removes the hidden folder, so a file may be gone once it is locked, and the
    next process locks another one: then it is tried again.
    """
    path = folder / HIDDEN / "lock"
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = open(path, "wb")  # noqa: SIM115  # open as long as the ledger
        except FileNotFoundError:  # the folder was removed just now
            continue
        try:
            import fcntl
        except ImportError:  # without it two batches are not kept apart
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError(
                f"another batch is writing to {folder}: wait for it, or choose another folder"
            ) from None
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise explained(path, error) from error
