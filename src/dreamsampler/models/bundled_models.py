"""The bundled models together, where none is named: which one knows a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from dreamsampler.maths import Image
from dreamsampler.models.alias import BUNDLED, PHOTO
from dreamsampler.models.familiar import KNOWN, STRANGE, strangeness
from dreamsampler.models.load import Pretrained, from_pretrained


@final
class BundledModels:
    """The model of drawings and the model of photographs, each loaded when it is needed."""

    name = BUNDLED

    def __init__(self, load: Callable[[str], Pretrained] = from_pretrained) -> None:
        self._load = load
        self._loaded: dict[str, Pretrained] = {}

    def named(self, name: str) -> Pretrained:
        """The one of a name."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    @property
    def device(self) -> Any:
        """Where they compute."""
        return self.named(BUNDLED).device

    @property
    def dtype(self) -> Any:
        """What they compute in."""
        return self.named(BUNDLED).dtype

    def choose(self, x: Image | str | None) -> tuple[Pretrained, str]:
        """The model that knows a picture, and why it was taken, in words.

            photo  where  mean |z0(z_u) - z|^2 of the drawings' model is above a limit

        Args:
            x: the picture in [-1, 1], about as it was before it was degraded; the name of a model,
                or None for what the model of photographs cannot do, such as prompts.
        """
        if isinstance(x, str):
            return self.named(x), f"{x} (this task is best in pixels)"
        drawings = self.named(BUNDLED)
        if x is None:
            return drawings, ""
        error = strangeness(drawings, x)
        times = f"{error / KNOWN:.1f} times the denoising error of drawings it knows"
        if error > STRANGE:
            return self.named(PHOTO), f"{PHOTO} ({BUNDLED} has {times})"
        return drawings, f"{BUNDLED} ({times})"
