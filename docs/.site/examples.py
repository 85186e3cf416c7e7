"""Docstrings say `Example:`; griffe reads code (and not quotations) under `Examples:` only."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Renames the heading before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class and function."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
