"""ComfyUI nodes: link this folder into ComfyUI's custom_nodes (docs/comfyui.md)."""

from dreamsampler.interfaces.comfyui.nodes import (
    NODE_CLASS_MAPPINGS,
    NODE_DISPLAY_NAME_MAPPINGS,
)

__all__ = [
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
]
