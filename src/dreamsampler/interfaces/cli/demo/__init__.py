"""A demonstration that needs nothing but the package: its pictures and its model are inside."""

from dreamsampler.interfaces.cli.demo.show import EDITS, Demo, show_demo

__all__ = [
    "EDITS",
    "Demo",
    "show_demo",
]
