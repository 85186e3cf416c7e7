"""`dreamsampler studio`: load a model, open a port on this machine, serve until Ctrl-C."""

from __future__ import annotations

import gc
import importlib.util
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from dreamsampler.files import InputError, check_folder
from dreamsampler.interfaces.errors import say
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.options import check_options

if TYPE_CHECKING:
    from dreamsampler.interfaces.model_options import ModelOptions
    from dreamsampler.interfaces.studio.app import Services

NEEDED = ("fastapi", "uvicorn", "python_multipart")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SCENE_FILES = 16
"""How many times the largest file one upload of several files may be."""


@final
@dataclass(frozen=True)
class Studio:
    """Change pictures in the browser; the same server is an HTTP interface."""

    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 lets other machines in, which needs --auth"""
    port: int = 7860
    """port to listen on; 0 takes a free one"""
    auth: tuple[str, ...] = ()
    """USER:PASS that must log in; may be given several times, and every user has runs of their
    own"""
    share_nothing: bool = False
    """every visitor sees only the runs of their own browser session, and nothing is kept when the
    server stops"""
    runs: Path | None = None
    """folder in which runs are kept (by default dreamsampler/studio where the system keeps data)"""
    max_upload_mb: float = 32.0
    """largest file that is taken, in megabytes"""
    max_megapixels: float = 16.0
    """largest picture, going in or coming out"""
    max_queue: int = 64
    """how many runs may wait; more are refused"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""

    LIMITS: ClassVar[Limits] = {
        "port": (0, 65535),
        "max_upload_mb": (0.001, 1e6),
        "max_megapixels": (0.001, 1e6),
        "max_queue": (1, 10**6),
    }

    def check(self) -> None:
        """Refuse what cannot be meant, before the model is loaded."""
        if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
            name = missing[0].replace("_", "-")
            raise ValueError(f"the studio needs {name}: pip install 'dreamsampler[studio]'")
        check_options(self)
        for each in self.auth:
            name, colon, word = each.partition(":")
            if not name or not colon or not word:
                raise ValueError("auth must be USER:PASS, such as --auth ada:engine")
        if self.host not in LOOPBACK and not self.auth:
            raise ValueError(
                f"host {self.host} lets other machines in: pass --auth USER:PASS as well, or leave "
                "host out"
            )
        if self.share_nothing and self.runs is not None:
            raise ValueError(
                "runs names a folder to keep, and share_nothing keeps nothing: drop one"
            )
        listening(self.host, self.port).close()

    @property
    def folder(self) -> Path:
        """Where runs are kept."""
        if self.runs is not None:
            return self.runs
        home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        return Path(home) / "dreamsampler" / "studio"


def serve(studio: Studio, where: ModelOptions) -> None:
    """Check, load the model, serve until Ctrl-C, clean up.

    Args:
        studio: the server.
        where: the model.
    """
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.interfaces.studio.worker import share_memory

    studio.check()
    share_memory()
    if not studio.share_nothing:
        check_folder(studio.folder)
    with Bar() as bar:
        bar.stage(f"loading {where.named}")
        model = where.load()
    with ExitStack() as stack:
        stack.callback(gc.freeze)  # the interpreter would go through a million objects at its exit
        url = stack.enter_context(opened(studio, model))
        print(f"studio: {url} (Ctrl-C stops it)", flush=True)
        if not studio.share_nothing:
            say(f"runs are kept in {studio.folder}")
        threading.Event().wait()


@contextmanager
def opened(studio: Studio, model: Any) -> Iterator[str]:
    """A server with a loaded model; inside, it answers at the address that is yielded."""
    import uvicorn

    with ExitStack() as undo:
        made = undo.enter_context(tempfile.TemporaryDirectory(prefix="dreamsampler-studio-"))
        app, services = make_application(studio, model, Path(made).resolve())
        sock = undo.enter_context(listening(studio.host, studio.port))
        level = "debug" if studio.debug else "critical"
        config = uvicorn.Config(
            app, log_level=level, access_log=False, server_header=False, lifespan="off", ws="none"
        )
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=[[sock]], name="studio-server")
        thread.daemon = True
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise InputError("the server did not start: pass --debug to see why")
            time.sleep(0.01)
        undo.callback(thread.join, 5)
        undo.callback(setattr, server, "should_exit", True)
        undo.callback(services.submissions.worker.stop, 5)
        undo.callback(services.closing.set)
        name = f"[{studio.host}]" if ":" in studio.host else studio.host
        yield f"http://{name}:{sock.getsockname()[1]}"


def make_application(studio: Studio, model: Any, folder: Path) -> tuple[Any, Services]:
    """The application of a server behind its guard, and what it works with.

    Args:
        folder: for files of the time being; it is there and empty.
    """
    from dreamsampler.interfaces.studio.app import Services, make_app
    from dreamsampler.interfaces.studio.guard import Guard
    from dreamsampler.interfaces.studio.hints import Hints
    from dreamsampler.interfaces.studio.run_store import RunStore
    from dreamsampler.interfaces.studio.submission import Submissions
    from dreamsampler.interfaces.studio.uploads import Limits, Uploads
    from dreamsampler.interfaces.studio.worker import Worker

    most_bytes, auth, apart = round(studio.max_upload_mb * 1e6), studio.auth, studio.share_nothing
    store = RunStore(folder / "runs" if apart else studio.folder)
    limits = Limits(most_bytes, round(studio.max_megapixels * 1e6))
    # where owners are told apart, nobody may fill the queue alone
    worker = Worker(model, studio.max_queue, -(-studio.max_queue // (2 if auth or apart else 1)))
    submissions = Submissions(worker, store, Uploads(folder / "files", store, limits))
    services = Services(submissions, Hints(worker), not apart, studio.debug)
    # a name that is made to point at this machine brings no password along
    hosts = LOOPBACK if studio.host in LOOPBACK and not auth else None
    users = dict(each.split(":", 1) for each in auth)
    return Guard(make_app(services), users, apart, hosts, most_bytes * SCENE_FILES), services


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to a port, or for 0 to a free one; InputError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise InputError(
            f"port {port} is taken, or {host} is no address of this machine: pass another "
            "--port, or --port 0 for a free one"
        ) from error
    return sock
