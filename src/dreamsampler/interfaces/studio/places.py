"""Names of files as visitors see them: the same ones, without where this server keeps them.

Gradio names files by their whole paths and expects these back. On the way out the folder of the
cache is replaced by a word, and on the way in the word by the folder: a visitor never sees a path
of the server, and a path of the server that a visitor guesses names nothing.
"""

from __future__ import annotations

import json
from typing import Any

SHOWN = "/received"
"""What visitors see in place of the folder."""


def shown(data: bytes, cache: str) -> bytes:
    """Text for a visitor.

    Args:
        data: JSON, events or HTML.
        cache: the folder of what this server has received and hands out.

    Example:
        >>> shown(b'{"path": "/tmp/x/cache/1/cat.png"}', "/tmp/x/cache")
        b'{"path": "/received/1/cat.png"}'
    """
    for each in {cache, json.dumps(cache)[1:-1]}:
        data = data.replace(f"{each}/".encode(), f"{SHOWN}/".encode())
    return data


def meant(path: str, cache: str) -> str:
    """The file that a visitor's path means; nothing that there is if it was not given out here.

    Example:
        >>> meant("/received/1/cat.png", "/tmp/x/cache")
        '/tmp/x/cache/1/cat.png'
    """
    return cache + path.removeprefix(SHOWN) if path.startswith(f"{SHOWN}/") else path


def is_foreign(path: Any) -> bool:
    """Whether a visitor's path was not given out here.

    Example:
        >>> is_foreign("/etc/passwd"), is_foreign("/received/1/cat.png")
        (True, False)
    """
    return not str(path).startswith(f"{SHOWN}/") or "/.." in str(path)
