"""What stands before the server: nothing is fetched for anybody, nothing is loaded from elsewhere.

Gradio's own routes fetch addresses that a visitor names (a file= of http://..., an upload that is
an address). Here they are refused, and every answer tells the browser to load from this server
only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias, final
from urllib.parse import unquote

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
_NOT_HERE = ("/proxy=", "/deep_link", "/vibe-", "/dev/reload")
"""Routes of gradio that nothing here uses."""


@final
class Guard:
    """An ASGI application around another.

    Args:
        app: what is guarded.
        cache: the folder of what this server has received; requests may name no other file.
        most_json: bytes of a JSON request; masks that are painted are in there.
    """

    def __init__(self, app: Any, cache: str, most_json: int = 24_000_000) -> None:
        self.app, self.cache, self.most_json = app, cache, most_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the headers of this house."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in HEADERS}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in names]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        path = unquote(unquote(str(scope.get("path", ""))))
        if any(part in path for part in _NOT_HERE) or _ADDRESS.search(path):
            await refuse(told, 403, "this studio fetches nothing from other servers")
            return
        kinds = [v for k, v in scope.get("headers", []) if k.lower() == b"content-type"]
        if scope["method"] == "POST" and not (kinds and kinds[0].startswith(b"multipart/")):
            body = await self._body(receive)
            if body is None:
                await refuse(told, 413, f"a request may have {self.most_json / 1e6:g} MB")
                return
            if names_a_foreign_file(body, self.cache):
                await refuse(told, 400, "a file must be uploaded here first: send the file itself")
                return
            receive = again(body, receive)
        await self.app(scope, receive, told)

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


def names_a_foreign_file(body: bytes, cache: str) -> bool:
    """Whether a JSON request holds a file that this server has not received.

    Args:
        body: of the request.
        cache: the folder of what it has received.

    Example:
        >>> names_a_foreign_file(b'{"data": [{"path": "http://127.0.0.1/secret"}]}', "/tmp/in")
        True
        >>> names_a_foreign_file(b'{"data": ["/etc", {"path": "/tmp/in/cat.png"}]}', "/tmp/in")
        False
    """
    try:
        waiting = [json.loads(body)] if body else []
    except ValueError:
        return False
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            path, url = value.get("path"), str(value.get("url") or "")
            if (path and not str(path).startswith(f"{cache}/")) or "/.." in str(path or ""):
                return True
            if "proxy=" in url:
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


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
