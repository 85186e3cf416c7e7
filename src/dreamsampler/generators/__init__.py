"""What is optimized."""

from dreamsampler.generators.variable import GeneratorVariable, LatentVariable, Variable

__all__ = [
    "GeneratorVariable",
    "LatentVariable",
    "Variable",
]
