"""What can go wrong with a model, in one line each."""

from __future__ import annotations

SUPPORTED = "if it is for another pipeline of diffusers, pass that class as pipeline"


class ModelError(ValueError):
    """A model cannot be used: what was given, what is required, what to do, on one line."""


class NetworkError(ModelError):
    """The output of a neural network has NaN or infinity in it."""


class PromptTruncated(UserWarning):
    """The end of a prompt did not fit into the text encoder and is ignored."""
