"""Many rows, each a recipe: local processes or Ray, every result exactly once."""

from dreamsampler.interfaces.batch.options import Batch

__all__ = [
    "Batch",
]
