"""What is optimized."""

from dreamsampler.generators.subject import Canvas, Generated, Subject

__all__ = ["Canvas", "Generated", "Subject"]
