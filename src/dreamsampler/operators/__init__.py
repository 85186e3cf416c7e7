"""Measurement operators; the first ones come with inpainting and restoration."""

__all__: list[str] = []
