"""What the page and the HTTP interface share: owners, their jobs, files in and out, errors."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.studio.guard import to_server

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.submission import Submissions
    from dreamsampler.interfaces.studio.worker import Job
    from dreamsampler.tasks.base import Task

EVERYBODY = "everybody"
"""Owner of the runs where nobody logs in."""
KEPT_HOURS, CLEAN_MINUTES = 6.0, 10.0
"""Hours after which files of the cache are deleted, and minutes between the checks for those."""
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:'\"]+/)+")


@final
@dataclass(eq=False)
class Sessions:
    """The browser sessions of one server.

    Args:
        submissions: takes tasks.
        cache: uploads, and copies of results, under names that nobody guesses; the only folder that
            the file routes read.
        share_nothing: whether every session is its own owner.
        model: name, device and type of the model.
        card: what the model can do, as Markdown; empty if that is unknown.
        arguments: of the call of the model's pipeline; empty if it is asked without one.
        debug: whether every error is logged with its traceback.
    """

    submissions: Submissions
    cache: Path
    share_nothing: bool
    model: str
    card: str = ""
    arguments: tuple[str, ...] = ()
    debug: bool = False
    _jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    _cleaned: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def owner(self, request: Any) -> str:
        """Whose runs a request sees: a user's, else a session's or everybody's."""
        if self.share_nothing:
            return f"session {request.session_hash}"
        return f"user {request.username}" if getattr(request, "username", None) else EVERYBODY

    @contextmanager
    def job(
        self, request: Any, name: str, kind: type[Task], values: Mapping[str, Any]
    ) -> Iterator[Job]:
        """Submit a task; inside, `cancel` with the job's name ends it, as leaving early does."""
        key = str(request.session_hash), name
        job = self.submissions.submit(kind, values, self.owner(request))
        with self._lock:
            self._jobs[key] = job
        try:
            yield job
        finally:
            job.cancel()  # nothing happens to one that is over
            with self._lock:
                if self._jobs.get(key) is job:
                    del self._jobs[key]

    def cancel(self, request: Any, name: str) -> None:
        """Cancel a job of a session, if there is one of that name."""
        with self._lock:
            job = self._jobs.get((str(request.session_hash), name))
        if job is not None:
            job.cancel()

    def received(self, values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Values with lists of paths where files are named; InputError as for `uploaded`."""
        found = dict(values)
        for name in names:
            if value := found.get(name):
                several = value if isinstance(value, list) else [value]
                found[name] = [self.uploaded(each) for each in several]
        return found

    def uploaded(self, path: Any) -> Path:
        """The file that a browser names, if this server has sent or received it."""
        try:
            found = Path(to_server(str(path), str(self.cache))).resolve()
            if found.is_relative_to(self.cache) and found.is_file():
                return found
        except (OSError, ValueError):
            pass
        raise InputError("this picture is no longer there: upload it again")

    def hand_out(self, path: Path, name: str | None = None) -> str:
        """A copy of a file, from where the browser can get it."""
        self._clean()
        folder = self.cache / f"out-{secrets.token_hex(16)}"
        folder.mkdir(parents=True, mode=0o700)
        target = folder / (name or path.name)
        shutil.copyfile(path, target)
        return str(target)

    def message(self, error: BaseException) -> str:
        """See `message`."""
        return message(error, debug=self.debug)

    def _clean(self) -> None:
        """Delete what is old in the cache."""
        now = time.time()
        with self._lock:
            if now - self._cleaned < 60 * CLEAN_MINUTES:
                return
            self._cleaned = now
        for folder in self.cache.iterdir() if self.cache.exists() else []:
            if now - folder.stat().st_mtime > 3600 * KEPT_HOURS:
                shutil.rmtree(folder, ignore_errors=True)


def message(error: BaseException, *, debug: bool = False) -> str:
    """An error in one line, without folders of the server; unexpected ones are logged there.

    Example:
        >>> message(ValueError("there is no file /srv/runs/7/cat.png: check the name"))
        'There is no file cat.png: check the name'
    """
    expected = isinstance(error, ValueError | OSError | MemoryError)
    if debug or not expected:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "Out of memory: take a smaller size or fewer pictures."
    if expected:
        words = _FOLDERS.sub("", " ".join(str(error).split())) or type(error).__name__
        return words[:1].upper() + words[1:]
    return f"Unexpected {type(error).__name__}; the server's log says where."
