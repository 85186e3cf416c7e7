"""Ranges of the options that are numbers."""

from collections.abc import Mapping
from typing import TypeAlias

Limits: TypeAlias = Mapping[str, tuple[float, float]]
"""Option -> (least, most); two whole numbers stand for an option of whole numbers."""
LIMITS: Limits = {
    "seed": (0, 2**63 - 1),
    "noise": (0.0, 1.0),
    "num_inference_steps": (1, 1000),
    "guidance_scale": (0.0, 100.0),
    "strength": (0.0, 1.0),
    "num_images": (1, 64),
    "size": (16, 8192),
}
"""Of the options that are the same in all tasks."""
