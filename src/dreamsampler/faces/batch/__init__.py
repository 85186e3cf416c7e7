"""Many rows, each a recipe: local processes or Ray, every result exactly once."""

from dreamsampler.faces.batch.ask import Batch

__all__ = ["Batch"]
