"""In front of every request: who asks, from where, how much; and what browsers may load.

Each visitor gets a random cookie, or logs in with HTTP Basic. A page of another site can neither
send what changes something (its Origin is another) nor read answers under a name that it has
pointed at this machine (its Host is another: DNS rebinding).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

COOKIE = "dreamsampler"
EVERYBODY = "everybody"
"""Owner of the runs where nobody logs in."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    # blob: is how three.js reads the textures that are inside a mesh
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Of every answer, unless it brings its own."""
MOST_JSON = 1_000_000
"""Bytes of a request that is no upload."""
_SESSION = re.compile(r"[0-9a-f]{32}")
_SAFE = ("GET", "HEAD", "OPTIONS")


def failure(
    status: int,
    message: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error as every answer has it."""
    return JSONResponse({"detail": {"message": message, "field": field}}, status, headers)


@final
@dataclass(frozen=True, eq=False)
class Guard:
    """An ASGI application around another; `request.state.owner` says whose request it is.

    Args:
        app: the other one.
        users: name -> password; without any, nobody logs in.
        share_nothing: whether every session is an owner of its own.
        hosts: names under which the server answers; None for every name.
        most_bytes: of an upload.
    """

    app: Any
    users: Mapping[str, str]
    share_nothing: bool
    hosts: tuple[str, ...] | None
    most_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers, cookie = Headers(scope=scope), None
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if not _SESSION.fullmatch(session):
            session = secrets.token_hex(16)
            cookie = f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict"
        user = self._user(headers.get("authorization", ""))
        answer = self._answering(send, cookie)
        refusal = self._refusal(scope["method"], headers, user)
        if refusal is not None:
            return await refusal(scope, receive, answer)
        owner = f"user {user}" if user else EVERYBODY
        owner = f"session {session} {user or ''}" if self.share_nothing else owner
        scope.setdefault("state", {}).update(owner=owner, user=user)
        most = self.most_bytes if is_upload(headers) else MOST_JSON
        return await self.app(scope, limited(receive, headers, most), answer)

    def _refusal(self, method: str, headers: Headers, user: str | None) -> JSONResponse | None:
        host = headers.get("host", "")
        if self.hosts is not None and hostname(host) not in self.hosts:
            return failure(403, f"this studio answers as {' or '.join(self.hosts)} only")
        origin = headers.get("origin")
        if method not in _SAFE and origin is not None and urlsplit(origin).netloc != host:
            return failure(403, "this request comes from a page of another site")
        if self.users and user is None:
            basic = {"www-authenticate": 'Basic realm="DreamSampler Studio", charset="UTF-8"'}
            return failure(401, "log in with a name and a password", headers=basic)
        return None

    def _user(self, authorization: str) -> str | None:
        """Who has logged in; takes as long for a wrong name as for a wrong password."""
        kind, _, word = authorization.partition(" ")
        if not self.users or kind.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(word, validate=True).decode().partition(":")
        except ValueError:
            return None
        expected = self.users.get(name, secrets.token_hex(16))
        right = secrets.compare_digest(_digest(password), _digest(expected))
        return name if right and name in self.users else None

    def _answering(self, send: Send, cookie: str | None) -> Send:
        """A `send` that adds `HEADERS`, and the cookie of a new session."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if cookie is not None:
                    headers.append("set-cookie", cookie)
            await send(message)

        return answer


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def hostname(host: str) -> str:
    """The name in a Host header.

    Example:
        >>> hostname("localhost:7860"), hostname("[::1]:7860"), hostname("")
        ('localhost', '::1', '')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_upload(headers: Headers) -> bool:
    """Whether a request brings files."""
    return headers.get("content-type", "").startswith("multipart/form-data")


def limited(receive: Receive, headers: Headers, most: int) -> Receive:
    """A `receive` that ends with status 413 when more bytes come than are taken."""
    left = most
    declared = headers.get("content-length", "0")
    too_many = declared.isdigit() and int(declared) > most

    async def receive_limited() -> Message:
        nonlocal left
        message = {"body": b""} if too_many else await receive()
        left -= len(message.get("body", b""))
        if too_many or left < 0:
            raise HTTPException(413, f"a request may bring {most / 1e6:g} MB, and this is more")
        return message

    return receive_limited
