"""What stands before the server: nothing is fetched for anybody, nothing is loaded from elsewhere.

Gradio's own routes fetch addresses that a visitor names (a file= of http://..., an upload that is
an address). Here they are refused, and every answer tells the browser to load from this server
only. Paths of the server are replaced (`places.py`), and whoever cancels cancels no other run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias, final
from urllib.parse import unquote

from dreamsampler.interfaces.studio.places import is_foreign, meant, shown

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_ADDRESS = re.compile(r"(file=|proxy=|stream/)?\s*[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
_FILE = "/file="
_WORDS = (b"application/json", b"text/event-stream", b"text/html")
"""Answers that may name files."""
_NOT_HERE = ("/proxy=", "/file/", "/deep_link", "/vibe-", "/dev/reload")
"""Routes of gradio that nothing here uses."""


@final
class Guard:
    """An ASGI application around another.

    Args:
        app: what is guarded.
        cache: the folder of what this server has received; requests may name no other file.
        runs: whether a request, by its number, is under way rather than in the line.
        most_json: bytes of a JSON request; masks that are painted are in there.
    """

    def __init__(
        self, app: Any, cache: str, runs: Callable[[str], bool], most_json: int = 24_000_000
    ) -> None:
        self.app, self.cache, self.runs, self.most_json = app, cache, runs, most_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the headers of this house."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = answering(send, self.cache)
        path = unquote(unquote(str(scope.get("path", ""))))
        if any(part in path for part in _NOT_HERE) or _ADDRESS.search(path):
            await refuse(told, 403, "this studio fetches nothing from other servers")
            return
        before, mark, name = str(scope.get("path", "")).partition(_FILE)
        if mark:
            if is_foreign(name):
                await refuse(told, 404, "there is no such file here")
                return
            scope = {**scope, "path": before + mark + meant(name, self.cache)}
        kinds = [v for k, v in scope.get("headers", []) if k.lower() == b"content-type"]
        if scope["method"] == "POST" and not (kinds and kinds[0].startswith(b"multipart/")):
            body = await self._body(receive)
            if body is None:
                await refuse(told, 413, f"a request may have {self.most_json / 1e6:g} MB")
                return
            body = self._read(body, cancels=path.rstrip("/").endswith("/cancel"))
            if body is None:
                await refuse(told, 400, "a file must be uploaded here first: send the file itself")
                return
            scope = {**scope, "headers": with_length(scope.get("headers", []), len(body))}
            receive = again(body, receive)
        await self.app(scope, receive, told)

    def _read(self, body: bytes, *, cancels: bool) -> bytes | None:
        """A request as gradio expects it; None if it names a file that is not its sender's."""
        try:
            asked = json.loads(body) if body else None
        except ValueError:
            return body
        if not with_places(asked, self.cache):
            return None
        if cancels and isinstance(asked, dict) and not self.runs(str(asked.get("event_id"))):
            # gradio would end whatever the session runs of that kind, also when what is canceled
            # is a later one that waits; a function that there is not ends nothing
            asked["fn_index"] = -1
        return json.dumps(asked).encode() if body else body

    async def _body(self, receive: Receive) -> bytes | None:
        """All of a request's body; None if it is too large."""
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            if sum(map(len, parts)) > self.most_json:
                return None
            if not message.get("more_body"):
                return b"".join(parts)


def with_places(asked: Any, cache: str) -> bool:
    """Put the places of files into a request, in it; False if it names another file of the server.

    Args:
        asked: from JSON; a file is an object with a path, as gradio has it.
        cache: the folder of what this server has received.

    Example:
        >>> with_places({"data": [{"path": "http://127.0.0.1/secret"}]}, "/tmp/in")
        False
        >>> asked = {"data": ["/etc", {"path": "/received/cat.png"}]}
        >>> with_places(asked, "/tmp/in"), asked["data"][1]
        (True, {'path': '/tmp/in/cat.png'})
    """
    waiting = [asked]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("path"):
                if is_foreign(value["path"]):
                    return False
                value["path"] = meant(str(value["path"]), cache)
            if "proxy=" in str(value.get("url") or ""):
                return False
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return True


def answering(send: Send, cache: str) -> Send:
    """A way to send with the headers of this house and without paths of the server."""
    words = False

    async def told(message: Message) -> None:
        nonlocal words
        if message["type"] == "http.response.start":
            names = {name for name, _ in HEADERS}
            given = [(k.lower(), v) for k, v in message.get("headers", [])]
            words = any(k == b"content-type" and v.startswith(_WORDS) for k, v in given)
            if words:  # its length may change; it is sent in chunks then
                names.add(b"content-length")
            kept = [pair for pair in given if pair[0] not in names]
            message = {**message, "headers": [*kept, *HEADERS]}
        elif words and message.get("body"):
            message = {**message, "body": shown(message["body"], cache)}
        await send(message)

    return told


def with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    """The headers of a request whose body was written anew."""
    kept = [
        (k, v) for k, v in headers if k.lower() not in (b"content-length", b"transfer-encoding")
    ]
    return [*kept, (b"content-length", str(length).encode())]


def again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for somebody who wants to read it as well."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return parts.pop() if parts else await receive()

    return replay


async def refuse(send: Send, status: int, words: str) -> None:
    """Answer with one sentence."""
    body = json.dumps({"detail": words}).encode()
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
