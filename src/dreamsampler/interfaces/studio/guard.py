"""A filter in front of gradio: no fetching, no foreign files, no paths of the server in answers.

Gradio's own routes fetch addresses that a visitor names (a file= of http://..., an upload that is
an address). Here they are refused, and every answer tells the browser to load from this server
only. Gradio names files by their whole paths and expects these back: on the way out the folder of
the cache is replaced by a word, and on the way in the word by the folder, so that a visitor never
sees a path of the server, and a guessed one names nothing. A cancel ends no other run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias, final
from urllib.parse import unquote

from dreamsampler.files import InputError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

SHOWN = "/received"
"""What visitors see in place of the folder of the cache."""
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
_EVENT = re.compile(r"/call/(?:v2/)?[^/]+/([^/]+)/*$")
_TEXTS = (b"application/json", b"text/event-stream", b"text/html")
"""Answers that may name files."""
_UNUSED = ("/proxy=", "/file/", "/deep_link", "/vibe-", "/dev/reload")
"""Routes of gradio that nothing here uses."""


@final
class Guard:
    """An ASGI application around another.

    Args:
        app: the other one.
        cache: the folder of what this server has received; requests may name no other file.
        runs: whether a request, by its id, is under way rather than in the queue.
        check: (path, request) -> the request as gradio can take it; InputError or LookupError with
            a sentence for one that it cannot.
        known: whether a request of that id was taken.
        most_json: bytes of a JSON request; masks that are painted are in there.
    """

    def __init__(
        self,
        app: Any,
        cache: str,
        runs: Callable[[str], bool],
        check: Callable[[str, Any], Any],
        known: Callable[[str], bool],
        most_json: int = 24_000_000,
    ) -> None:
        self.app, self.cache, self.runs, self.most_json = app, cache, runs, most_json
        self.check, self.known = check, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; every answer gets `HEADERS`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = answering(send, self.cache)
        path = unquote(unquote(str(scope.get("path", ""))))
        if any(part in path for part in _UNUSED) or _ADDRESS.search(path):
            await refuse(send, 403, "this studio fetches nothing from other servers")
            return
        before, mark, name = str(scope.get("path", "")).partition(_FILE)
        if mark:
            if is_foreign(name):
                await refuse(send, 404, "there is no such file here")
                return
            scope = {**scope, "path": before + mark + to_server(name, self.cache)}
        event = _EVENT.search(path)
        if scope["method"] == "GET" and event and not self.known(event[1]):
            await refuse(send, 404, "there is no such call, or its answer was read already")
            return
        kinds = [v for k, v in scope.get("headers", []) if k.lower() == b"content-type"]
        if scope["method"] == "POST" and not (kinds and kinds[0].startswith(b"multipart/")):
            body = await self._body(receive)
            if body is None:
                await refuse(send, 413, f"a request may have {self.most_json / 1e6:g} MB")
                return
            try:
                body = self._translated(body, path, kinds[0] if kinds else b"")
            except LookupError as error:
                await refuse(send, 404, str(error.args[0]))
                return
            except ValueError as error:
                if path.rstrip("/").endswith("/queue/join"):  # as gradio's client shows it
                    reason = {"is_valid": False, "parameter_name": "call", "message": str(error)}
                    await refuse(send, 422, [{"__type__": "validate", **reason}])
                else:
                    await refuse(send, 400, str(error))
                return
            if body is None:
                await refuse(send, 400, "a file must be uploaded here first: send the file itself")
                return
            length = (b"content-length", str(len(body)).encode())
            replaced = (b"content-length", b"transfer-encoding")
            kept = [(k, v) for k, v in scope.get("headers", []) if k.lower() not in replaced]
            scope = {**scope, "headers": [*kept, length]}
            receive = replayed(body, receive)
        await self.app(scope, receive, send)

    def _translated(self, body: bytes, path: str, kind: bytes) -> bytes | None:
        """A request as gradio expects it; None if it names a file that is not its sender's."""
        try:
            request = json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            if b"json" not in kind:  # such as the form of a login
                return body
            raise InputError(f"the request is no JSON ({error}): send one object") from None
        if not translate(request, self.cache):
            return None
        request = self.check(path, request)
        cancels = path.rstrip("/").endswith("/cancel")
        if cancels and isinstance(request, dict) and not self.runs(str(request.get("event_id"))):
            # gradio would end whatever the session runs of that kind, also when what is canceled
            # is a later one that waits; an index of no function ends nothing
            request["fn_index"] = -1
        return json.dumps(request).encode() if body else body

    async def _body(self, receive: Receive) -> bytes | None:
        """All of a request's body; None if it is too large."""
        body = bytearray()
        while len(body) <= self.most_json:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                return bytes(body) if len(body) <= self.most_json else None
        return None


def to_visitor(data: bytes, cache: str) -> bytes:
    """Text of an answer (JSON, events or HTML) with `SHOWN` in place of the cache.

    Example:
        >>> to_visitor(b'{"path": "/tmp/x/cache/1/cat.png"}', "/tmp/x/cache")
        b'{"path": "/received/1/cat.png"}'
    """
    for each in {cache, json.dumps(cache)[1:-1]}:
        data = data.replace(f"{each}/".encode(), f"{SHOWN}/".encode())
    return data


def to_server(path: str, cache: str) -> str:
    """The file that a visitor's path names; a path that was not handed out stays as it is.

    Example:
        >>> to_server("/received/1/cat.png", "/tmp/x/cache")
        '/tmp/x/cache/1/cat.png'
    """
    return cache + path.removeprefix(SHOWN) if path.startswith(f"{SHOWN}/") else path


def is_foreign(path: Any) -> bool:
    """Whether a visitor's path was not handed out here.

    Example:
        >>> is_foreign("/etc/passwd"), is_foreign("/received/1/cat.png")
        (True, False)
    """
    return not str(path).startswith(f"{SHOWN}/") or "/.." in str(path)


def translate(request: Any, cache: str) -> bool:
    """Replace paths of files in a request, in place; False if it names a foreign one.

    A file is an object with a path, as gradio has it.

    Example:
        >>> translate({"data": [{"path": "http://127.0.0.1/secret"}]}, "/tmp/in")
        False
        >>> request = {"data": ["/etc", {"path": "/received/cat.png"}]}
        >>> translate(request, "/tmp/in"), request["data"][1]
        (True, {'path': '/tmp/in/cat.png'})
    """
    left = [request]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if value.get("path"):
                if is_foreign(value["path"]):
                    return False
                value["path"] = to_server(str(value["path"]), cache)
            if "proxy=" in str(value.get("url") or ""):
                return False
            left += value.values()
        elif isinstance(value, list):
            left += value
    return True


def answering(send: Send, cache: str) -> Send:
    """A `send` that adds `HEADERS` and hides paths of the server."""
    is_text = False

    async def answer(message: Message) -> None:
        nonlocal is_text
        if message["type"] == "http.response.start":
            names = {name for name, _ in HEADERS}
            given = [(k.lower(), v) for k, v in message.get("headers", [])]
            is_text = any(k == b"content-type" and v.startswith(_TEXTS) for k, v in given)
            if is_text:  # its length may change; it is sent in chunks then
                names.add(b"content-length")
            kept = [pair for pair in given if pair[0] not in names]
            message = {**message, "headers": [*kept, *HEADERS]}
        elif is_text and message.get("body"):
            message = {**message, "body": to_visitor(message["body"], cache)}
        await send(message)

    return answer


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what follows it."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return parts.pop() if parts else await receive()

    return replay


async def refuse(send: Send, status: int, detail: Any) -> None:
    """Answer with an error."""
    body = json.dumps({"detail": detail}).encode()
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
