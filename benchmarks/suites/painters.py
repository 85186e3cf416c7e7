"""How the peers of the inpainting suite paint into a hole.

Two kinds. Blended diffusion and RePaint put the source's latent back at every level. The methods of
restoration take the picture outside of the hole as a measurement, y = (1 - hole) x, known but for
the rounding of its file, and the prompt is that of what shall be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from benchmarks.classical import ROUNDING
from dreamsampler.guidance import Guided, cfg
from dreamsampler.images.fit import Fit
from dreamsampler.maths import Latent, Level, Rng, Step
from dreamsampler.methods import blended_diffusion, dps, flowdps, repaint, treg
from dreamsampler.models.prior import Prior
from dreamsampler.operators import Mask
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.samplers import finish, flow_shifted, trailing
from dreamsampler.tasks.inpaint.hole import filled

GLUING = 0.1
"""Of PSLD, as the task Restore has it."""


@final
@dataclass(frozen=True)
class Hole:
    """A picture with a hole, and what shall be in it.

    Args:
        prior: the model.
        x: the picture, (3, h, w) in [0, 1].
        hole: (1, h, w) of zeros and ones.
        fit: between the picture and the model.
        prompt: what shall be there.
        rng: one generator.
    """

    prior: Prior
    x: Tensor
    hole: Tensor
    fit: Fit
    prompt: str
    rng: Rng

    def target(self, scale: float) -> Guided:
        """Guidance towards the prompt, from the null prompt."""
        prior = self.prior
        return cfg(prior, prior.condition(self.prompt), prior.condition(""), scale)

    def source(self) -> Latent:
        """Latent of the picture, its hole closed by what is around it."""
        return self.prior.encode(self.fit.down(filled(self.x, self.hole)[None]))

    def cells(self) -> Tensor:
        """1 for every latent cell that the hole touches."""
        return self.fit.mask_to_latent(self.hole, self.prior.factor, touched=True)

    def data(self) -> Measurement:
        """What is known, as a measurement."""
        known = 1 - self.hole[None]
        return Measurement(Mask(known), known * self.x, ROUNDING, self.show, self._hide)

    def show(self, z: Latent) -> Tensor:
        """Latent to picture (b, 3, h, w) about [0, 1]; not clamped."""
        return self.fit.up(self.prior.decode(z), clamp=False)

    def _hide(self, x: Tensor) -> Latent:
        return self.prior.encode(self.fit.down(x))


Painter = Callable[[Hole, dict[str, Any]], Iterator[Step]]


def _even(hole: Hole, to: dict[str, Any]) -> list[Level]:
    return trailing(hole.prior.schedule, to["steps"])


def _blended(hole: Hole, to: dict[str, Any]) -> Iterator[Step]:
    levels = flow_shifted(hole.prior.schedule, to["steps"])
    known = hole.source(), hole.cells()
    return blended_diffusion(hole.target(to["scale"]), *known, levels, hole.rng)


def _repaint(hole: Hole, to: dict[str, Any]) -> Iterator[Step]:
    levels = flow_shifted(hole.prior.schedule, to["steps"])
    known = hole.source(), hole.cells()
    return repaint(hole.target(to["scale"]), *known, levels, hole.rng, to["visits"])


def _dps(hole: Hole, to: dict[str, Any]) -> Iterator[Step]:
    given = hole.target(to["scale"]), hole.data(), hole.source(), _even(hole, to)
    return dps(*given, hole.rng, gluing=to.get("gluing", 0.0))


def _treg(hole: Hole, to: dict[str, Any]) -> Iterator[Step]:
    given = hole.target(to["scale"]), hole.data(), hole.source(), _even(hole, to)
    return treg(*given, hole.rng)


def _flowdps(hole: Hole, to: dict[str, Any]) -> Iterator[Step]:
    levels = flow_shifted(hole.prior.schedule, to["steps"], shift=3.0)
    given = hole.target(to["scale"]), hole.data(), hole.source(), levels
    return flowdps(*given, hole.rng)


PAINTERS: dict[str, Painter] = {
    "blended": _blended,
    "repaint": _repaint,
    "dps": _dps,
    "treg": _treg,
    "flowdps": _flowdps,
}


def painted(hole: Hole, settings: dict[str, Any]) -> Tensor:
    """The whole picture as a peer has it, (3, h, w) in [0, 1]; its outside is not the source's.

    Args:
        hole: the picture, and what shall be in it.
        settings: of the row. Without `by`, that is RePaint if there are visits, else blended
            diffusion: their records are older than that word.
    """
    by = settings.get("by", "repaint" if "visits" in settings else "blended")
    return hole.show(finish(PAINTERS[by](hole, settings)).z0).clamp(0, 1)[0]
