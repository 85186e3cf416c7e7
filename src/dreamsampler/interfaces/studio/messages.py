"""What a visitor is told when something is wrong: one sentence, without places on the server."""

from __future__ import annotations

import re
import sys
import traceback

_PLACE = re.compile(r"(?<![\w.])/(?:[^\s/:'\"]+/)+")


def message(error: BaseException, *, debug: bool = False) -> str:
    """An error in one sentence; what should not have happened is logged on the server.

    Args:
        error: anything that came out of a run.
        debug: log everything.

    Example:
        >>> message(ValueError("there is no file /srv/runs/7/cat.png: check the name"))
        'There is no file cat.png: check the name'
    """
    expected = isinstance(error, ValueError | OSError | MemoryError)
    if debug or not expected:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "Out of memory: take a smaller size or fewer pictures."
    if expected:
        words = _PLACE.sub("", " ".join(str(error).split())) or type(error).__name__
        return words[:1].upper() + words[1:]
    return f"Unexpected {type(error).__name__}; the server's log says where."
