"""`dreamsampler studio`: load a model, open a port on this machine, serve until Ctrl-C."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError, check_folder
from dreamsampler.interfaces.errors import say
from dreamsampler.tasks.recipe import describe_model

if TYPE_CHECKING:
    from dreamsampler.interfaces.model_options import ModelOptions
    from dreamsampler.interfaces.studio.session import Sessions

MOST_PAGES = 200
"""Pages whose state is kept: one that was left alone while so many others came has to be loaded
again before a run of its history can be clicked."""
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    # a table of all requests that is summed up anew after each
    "GRADIO_ANALYTICS_MAX_EVENTS": "1",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""No request leaves the machine for gradio or the hub, and no statistics are kept."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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

    def check(self) -> None:
        """Refuse what cannot be meant, before the model is loaded."""
        if importlib.util.find_spec("gradio") is None:
            raise ValueError("the studio needs gradio: pip install 'dreamsampler[studio]'")
        if not 0 <= self.port <= 65535:
            raise ValueError(
                f"port is {self.port}, but must be from 1 to 65535, or 0 for a free one"
            )
        for each in self.auth:
            name, colon, word = each.partition(":")
            if not name or not colon or not word:
                raise ValueError("auth must be USER:PASS, such as --auth ada:engine")
        if self.host not in LOOPBACK and not self.auth:
            raise ValueError(
                f"host {self.host} lets other machines in: pass --auth USER:PASS as well, or leave "
                "host out"
            )
        for name in ("max_upload_mb", "max_megapixels", "max_queue"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be more than 0")
        if self.share_nothing and self.runs is not None:
            raise ValueError(
                "runs names a folder to keep, and share_nothing keeps nothing: drop one"
            )
        free_port(self.host, self.port)

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

    studio.check()
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
    with ExitStack() as undo:
        folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="dreamsampler-studio-"))
        sessions = _sessions(studio, model, Path(folder).resolve())
        environment = ENVIRONMENT | {"GRADIO_TEMP_DIR": str(sessions.cache)}
        undo.callback(_restore, {name: os.environ.get(name) for name in environment})
        os.environ |= environment
        from dreamsampler.interfaces.studio.page import make_page

        page = make_page(sessions)
        page.queue(max_size=studio.max_queue, default_concurrency_limit=8)
        url = _launch(page, studio, sessions)
        undo.callback(page.close, verbose=False)
        yield url


def _sessions(studio: Studio, model: Any, folder: Path) -> Sessions:
    from dreamsampler.interfaces.studio.run_store import RunStore
    from dreamsampler.interfaces.studio.session import Sessions
    from dreamsampler.interfaces.studio.submission import Submissions
    from dreamsampler.interfaces.studio.uploads import Limits
    from dreamsampler.interfaces.studio.worker import Worker

    cache = folder / "cache"
    cache.mkdir(mode=0o700)
    store = RunStore(folder / "runs" if studio.share_nothing else studio.folder)
    limits = Limits(round(studio.max_upload_mb * 1e6), round(studio.max_megapixels * 1e6))
    loaded = describe_model(model)
    name = Path(str(loaded["name"])).name
    title = " · ".join(filter(None, [name, loaded["device"], loaded["dtype"]]))
    submissions = Submissions(Worker(model), store, limits)
    return Sessions(
        submissions,
        cache,
        studio.share_nothing,
        title,
        card(name),
        arguments_of_call(model),
        studio.debug,
    )


def arguments_of_call(model: Any) -> tuple[str, ...]:
    """The arguments that the call of a model's pipeline takes; none if it is asked without."""
    from dreamsampler.models.driven.arguments import arguments_of

    pipeline = getattr(getattr(model, "family", None), "pipeline", None)
    return tuple(each.name for each in arguments_of(type(pipeline.pipe))) if pipeline else ()


def card(name: str) -> str:
    """What the bundled model knows, from its card; empty for other models.

    Example:
        >>> card("sd15")
        ''
    """
    from importlib.resources import files

    from dreamsampler.models.alias import BUNDLED

    if name != BUNDLED:
        return ""
    text = files("dreamsampler.models").joinpath("bundled/README.md").read_text("utf-8")
    found = re.search(r"^## What it knows\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def _launch(page: Any, studio: Studio, sessions: Sessions) -> str:
    from starlette.middleware import Middleware

    from dreamsampler.interfaces.studio.calls import Calls
    from dreamsampler.interfaces.studio.guard import Guard
    from dreamsampler.interfaces.studio.page import head, style, theme
    from dreamsampler.interfaces.studio.specs import TABS

    def runs(event: str) -> bool:
        """Whether a request to gradio's queue is worked on, rather than waiting or over."""
        return any(each._id == event for jobs in page._queue.active_jobs for each in jobs or ())

    def known(event: str) -> bool:
        """Whether the answer of a call can be asked for."""
        queue = page._queue
        waiting = queue.pending_event_ids_session.values()
        return event in queue.event_ids_to_events or any(event in each for each in waiting)

    check = Calls([spec.task for spec in TABS], sessions, page).check
    cache = str(sessions.cache)
    guards = [Middleware(Guard, cache=cache, runs=runs, check=check, known=known)]
    started = partial(
        page.launch,
        server_name=studio.host,
        server_port=free_port(studio.host, studio.port),
        auth=[tuple(each.split(":", 1)) for each in studio.auth] or None,
        auth_message="DreamSampler Studio" if studio.auth else None,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,  # ours are messages; gradio's own may name folders of the server
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=sessions.submissions.limits.bytes,
        blocked_paths=[str(sessions.submissions.store.root)],
        state_session_capacity=MOST_PAGES,
        app_kwargs={"middleware": guards, "docs_url": None, "redoc_url": None},
        theme=theme(),
        css=style(),
        head=head(),
    )
    try:
        return started()[1]
    except ValueError as error:  # gradio asks its own server for 3 s, then advises share=True
        raise InputError(
            "the server does not answer on this machine: it is too busy (try again), or a proxy is "
            "set for its own address (set no_proxy=127.0.0.1)"
        ) from error


def free_port(host: str, port: int) -> int:
    """The port, or for 0 one that nobody listens on."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"port {port} is taken, or {host} is no address of this machine: pass another "
                "--port, or --port 0 for a free one"
            ) from error
        return probe.getsockname()[1]


def _restore(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
