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


def failure(
    status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
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
        headers, added = Headers(scope=scope), dict(HEADERS)
        static = scope["path"].startswith("/static/")
        added["cache-control"] = "no-cache" if static else "no-store"
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if not re.fullmatch("[0-9a-f]{32}", session):
            session = secrets.token_hex(16)
            added["set-cookie"] = f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in added.items():
                    given.setdefault(name, value)
            await send(message)

        user = self._user(headers.get("authorization", ""))
        refusal = self._refusal(scope["method"], headers, user)
        if refusal is not None:
            return await refusal(scope, receive, answer)
        owner = f"user {user}" if user else EVERYBODY
        owner = f"session {session} {user or ''}" if self.share_nothing else owner
        scope.setdefault("state", {}).update(owner=owner, user=user)
        upload = headers.get("content-type", "").startswith("multipart/form-data")
        most = self.most_bytes if upload else MOST_JSON
        return await self.app(scope, limited(receive, headers, most), answer)

    def _refusal(self, method: str, headers: Headers, user: str | None) -> JSONResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and hostname(host) not in self.hosts:
            return failure(403, f"this studio answers as {' or '.join(self.hosts)} only")
        safe = method in ("GET", "HEAD", "OPTIONS") or origin is None
        if not safe and urlsplit(origin).netloc != host:
            return failure(403, "this request comes from a page of another site")
        if self.users and user is None:
            basic = {"www-authenticate": 'Basic realm="DreamSampler Studio", charset="UTF-8"'}
            return failure(401, "log in with a name and a password", headers=basic)
        return None

    def _user(self, authorization: str) -> str | None:
        """Who has logged in; takes as long for a wrong name as for a wrong password."""
        kind, _, word = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(word, validate=True).decode().partition(":")
        except ValueError:
            return None
        if not self.users or kind.lower() != "basic":
            return None
        known = self.users.get(name, secrets.token_hex(16))
        digests = [hashlib.sha256(each.encode()).digest() for each in (password, known)]
        return name if secrets.compare_digest(*digests) and name in self.users else None


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
