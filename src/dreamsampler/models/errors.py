"""What can go wrong with a model, in one line each."""

from __future__ import annotations


class ModelError(ValueError):
    """A model cannot be used: what came, what was wanted, what to do, on one line."""


class NetworkError(ModelError):
    """The neural network answered with NaN or infinity."""


class PromptTruncated(UserWarning):
    """The end of a prompt did not fit into the text encoder and is ignored."""


def one_line(error: BaseException, limit: int = 240) -> str:
    r"""The message of somebody else's error, on one line and not too long.

    Example:
        >>> one_line(OSError("no such file\n  at all"))
        'no such file at all'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
