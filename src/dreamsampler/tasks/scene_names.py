"""Names of the files of a scene; needs no torch."""

from __future__ import annotations

import re
from typing import Final

OWN: Final = re.compile(
    r"(view|depth|mask|held_out)_\d{3,}\.png|transforms\.json|field\.safetensors"
    r"|mesh\.(ply|glb)|turntable\.(gif|mp4)"
)
"""Names of the files of a scene: what an older one may be replaced by."""


def own(name: str) -> bool:
    """Whether a file of that name is one of a scene."""
    return OWN.fullmatch(name) is not None
