"""What every part of the page shares: who is asking, which files may be handed out and taken in."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.studio.messages import message
from dreamsampler.interfaces.studio.places import meant

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.desk import Desk
    from dreamsampler.interfaces.studio.worker import Job

EVERYBODY = "everybody"
"""Owner of the runs where nobody logs in."""
KEPT_HOURS, SWEEP_MINUTES = 6.0, 10.0
"""Uploads and copies that a browser was sent are deleted after so long, looked for so often."""


@final
@dataclass(eq=False)
class Room:
    """One server's desk and the only folder that its file routes read.

    Args:
        desk: takes orders.
        cache: uploads and copies of results, under names that nobody guesses.
        share_nothing: whether every browser session is its own owner.
        model: what is loaded, in words.
        card: what it knows, as Markdown, if that is written down.
        debug: whether every error is logged with its traceback.
    """

    desk: Desk
    cache: Path
    share_nothing: bool
    model: str
    card: str = ""
    debug: bool = False
    _jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    _swept: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def owner(self, request: Any) -> str:
        """Whose runs a request sees: a user's, else a session's or everybody's."""
        if self.share_nothing:
            return f"session {request.session_hash}"
        return f"user {request.username}" if getattr(request, "username", None) else EVERYBODY

    def uploaded(self, path: Any) -> Path:
        """A path that a browser says, if it is a file this server sent or received.

        Raises:
            InputError: it is anything else; whether there is such a file is not told.
        """
        try:
            found = Path(meant(str(path), str(self.cache))).resolve()
            if found.is_relative_to(self.cache) and found.is_file():
                return found
        except (OSError, ValueError):
            pass
        raise InputError("this picture is no longer there: upload it again")

    def told(self, error: BaseException) -> str:
        """An error, in one sentence."""
        return message(error, debug=self.debug)

    def hand_out(self, path: Path, name: str | None = None) -> str:
        """A copy of a file where the browser can get it."""
        self._sweep()
        folder = self.cache / f"out-{secrets.token_hex(16)}"
        folder.mkdir(parents=True, mode=0o700)
        target = folder / (name or path.name)
        shutil.copyfile(path, target)
        return str(target)

    def begin(self, request: Any, task: str, job: Job) -> None:
        """Remember what a session runs, so that it can be canceled."""
        with self._lock:
            self._jobs[request.session_hash, task] = job

    def end(self, request: Any, task: str, job: Job) -> None:
        """Forget it; a job that is not over, since nobody listens any more, is canceled."""
        if not job.over:
            self.desk.worker.cancel(job)
        with self._lock:
            if self._jobs.get((request.session_hash, task)) is job:
                del self._jobs[request.session_hash, task]

    def cancel(self, request: Any, task: str) -> bool:
        """Cancel what a session runs; whether there was anything."""
        with self._lock:
            job = self._jobs.get((request.session_hash, task))
        if job is not None:
            self.desk.worker.cancel(job)
        return job is not None

    def _sweep(self) -> None:
        """Delete what is old in the cache."""
        step = time.time()
        with self._lock:
            if step - self._swept < 60 * SWEEP_MINUTES:
                return
            self._swept = step
        for folder in self.cache.iterdir() if self.cache.exists() else []:
            if step - folder.stat().st_mtime > 3600 * KEPT_HOURS:
                shutil.rmtree(folder, ignore_errors=True)
