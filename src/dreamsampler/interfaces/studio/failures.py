"""Error messages for users: one sentence without paths of the server, and the option it names."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable
from typing import final

from dreamsampler.interfaces.errors import out_of_memory

_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:'\"]+/)+")
ABOUT = {"mask": "mask_image", "picture": "image", "scene": "image"}
"""Words of messages that name an option otherwise."""


@final
class Refused(ValueError):
    """A request that is not done: why, with a status of HTTP, and the option that it is about."""

    def __init__(self, text: str, status: int = 422, field: str | None = None) -> None:
        super().__init__(text)
        self.status, self.field = status, field


def message(error: BaseException, *, debug: bool = False) -> str:
    """An error in one line, without folders of the server; unexpected ones are logged there.

    Example:
        >>> message(ValueError("there is no file /srv/runs/7/cat.png: check the name"))
        'There is no file cat.png: check the name'
    """
    expected = isinstance(error, ValueError | OSError | MemoryError)
    if debug or not expected:
        traceback.print_exception(error, file=sys.stderr)
    if out_of_memory(error):
        return "Out of memory: take a smaller size or fewer pictures."
    if expected:
        words = _FOLDERS.sub("", " ".join(str(error).split())) or type(error).__name__
        named = "." in words.partition(" ")[0]  # a file keeps its name
        return words if named else words[:1].upper() + words[1:]
    return f"Unexpected {type(error).__name__}; the server's log says where."


def field_of(text: str, options: Iterable[str]) -> str | None:
    """The option that a message is about: the first one that it names.

    Example:
        >>> field_of("Strength is 3.0, but must be a number", ["prompt", "strength"])
        'strength'
        >>> field_of("Mask a.png is 8x8 pixels but the picture is 9x9", ["image", "mask_image"])
        'mask_image'
    """
    known = {name: name for name in options}
    known |= {word: name for word, name in ABOUT.items() if name in known}
    return next((known[word] for word in re.findall(r"\w+", text.lower()) if word in known), None)
