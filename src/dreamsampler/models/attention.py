"""Attention maps of a UNet: recorded, or injected from some rows of a forward into others."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.models.alignment import Alignment
from dreamsampler.models.errors import ModelError

_UNCHANGED = ("AttnProcessor", "AttnProcessor2_0", "SlicedAttnProcessor", "XFormersAttnProcessor")
"""diffusers' processors that compute nothing but attention, each in its own way."""


@final
class AttentionMaps:
    """Cross-attention maps of some rows of one forward, at one resolution.

        mean = average over layers and heads of softmax(Q K^T / sqrt(d))

    Layers of one resolution are averaged, the one nearest to a quarter of the latent's side (16 of
    64, Stable Diffusion at 512 pixels; 8 of 16 in the bundled model, which has no other); of two
    that are as near, the finer one. Of the others nothing is kept.

    Args:
        rows: of the forward, those whose maps are recorded.
        latent: (h, w) of the latent.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), and Brack et al.,
    "LEDITS++", CVPR 2024 (arXiv:2311.16711), whose programs both average those of 16 x 16.
    """

    def __init__(self, rows: slice, latent: tuple[int, int]) -> None:
        self._rows, self._latent = rows, latent
        self._sides = (0, 0)
        self._total: Tensor | None = None
        self._layers = 0

    def add(self, scores: Tensor) -> None:
        """Add a layer's maps, (rows, heads, positions, tokens)."""
        sides = _sides(scores.shape[2], self._latent)
        if sides is None or self._distance(sides) > self._distance(self._sides):
            return
        if sides != self._sides:
            self._sides, self._total, self._layers = sides, None, 0
        scores = scores[self._rows].detach().float().mean(1)
        self._total = scores if self._total is None else self._total + scores
        self._layers += 1

    @property
    def mean(self) -> Tensor:
        """(b, n, h, w) in [0, 1]: how much each position attends to each token.

        Raises:
            ModelError: nothing was recorded.
        """
        if self._total is None:
            raise ModelError(
                "this network has no cross-attention in its down and up blocks that belongs to "
                "positions of the latent: leave attention out"
            )
        maps = (self._total / self._layers).transpose(1, 2)
        return maps.unflatten(2, self._sides)

    def _distance(self, sides: tuple[int, int]) -> tuple[float, int]:
        """How far a resolution is from a quarter of the side; of two as far, the coarser is."""
        positions = sides[0] * sides[1]
        if not positions:
            return math.inf, 0
        return abs(math.log(16 * positions / (self._latent[0] * self._latent[1]))), -positions


def _sides(positions: int, latent: tuple[int, int]) -> tuple[int, int] | None:
    """(h, w) of a layer of so many positions, as a UNet halves a latent; None if it is none."""
    for up in (1, 0):  # an odd side is halved up or down, as the network pads
        h, w = latent
        while h * w > positions and (h > 1 or w > 1):
            h, w = max(1, (h + up) // 2), max(1, (w + up) // 2)
        if h * w == positions:
            return h, w
    return None


@final
@dataclass(frozen=True)
class Injection:
    """Which maps some rows of a forward take from others.

    Args:
        source: rows whose maps are used.
        target: as many rows, which use them.
        alignment: which tokens of the target's prompt take which of the source's; None leaves the
            cross-attention alone.
        max_positions: self-attention maps are taken as well in layers of at most so many positions.
    """

    source: slice
    target: slice
    alignment: Alignment | None
    max_positions: int = 0


@contextlib.contextmanager
def attention_control(
    prior: Any, injection: Injection | None = None, maps: AttentionMaps | None = None
) -> Iterator[None]:
    """Inside, attention maps are injected and recorded; afterwards the network is as before.

        M_target <- c (a M_source P + (1 - a) M_target)    cross-attention: tokens P, share a, c
        M_target <- M_source                               self-attention

    Every attention layer gets a processor that leaves the work to the layer's own one where there
    is nothing to inject or record. The own ones come back in the end, after an error as well.

    Args:
        prior: a `NetworkPrior` around a UNet2DConditionModel.
        maps: records the cross-attention maps of the down and up blocks, after injection.

    Raises:
        ModelError: another kind of network, or one whose attention was changed already.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), section 3.1 to 3.2,
    with the weights c of "attention re-weighting".
    """
    network = check_attention(prior)
    own = dict(network.attn_processors)
    network.set_attn_processor(
        {
            name: _Processor(each, injection, None if name.startswith("mid_block") else maps)
            for name, each in own.items()
        }
    )
    try:
        yield
    finally:
        network.set_attn_processor(dict(own))


def check_attention(prior: Any) -> Any:
    """The network whose attention can be controlled; ModelError with the reason elsewhere."""
    network = getattr(prior, "network", None)
    kind = type(network).__name__
    if network is None:
        raise ModelError(
            f"attention control needs a network with cross-attention, and {type(prior).__name__} "
            "has none: leave it out"
        )
    if kind != "UNet2DConditionModel":
        raise ModelError(
            f"attention control needs the cross-attention maps of a UNet2DConditionModel (the "
            f"bundled model, Stable Diffusion 1.x, 2.x and XL), and a {kind} has none that could "
            "be replaced: leave it out"
        )
    other = {type(p).__name__ for p in network.attn_processors.values()} - {*_UNCHANGED}
    if other:
        raise ModelError(
            f"the attention of this model was changed already ({', '.join(sorted(other))}), which "
            "attention control would undo: unload that first"
        )
    return network


@final
class _Processor:
    """A processor that injects and records maps, or leaves the work to the layer's own one."""

    def __init__(self, own: Any, injection: Injection | None, maps: AttentionMaps | None) -> None:
        self._own, self._injection, self._maps = own, injection, maps

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        from diffusers.models.attention_processor import AttnProcessor

        inputs = hidden_states, encoder_hidden_states, attention_mask, temb
        image = hidden_states.ndim == 4
        positions = hidden_states[0, 0].numel() if image else hidden_states.shape[1]
        cross = encoder_hidden_states is not None
        injection, maps = self._injection, self._maps if cross else None
        if injection is not None and (
            injection.alignment is None if cross else positions > injection.max_positions
        ):
            injection = None
        if injection is None and maps is None:
            return self._own(attn, *inputs)
        layer: Any = _Layer(attn, len(hidden_states), injection, cross, maps)
        return AttnProcessor()(layer, *inputs)


@final
@dataclass(frozen=True)
class _Layer:
    """An attention layer whose maps are injected and recorded; all else is the layer's."""

    attn: Any
    rows: int
    injection: Injection | None
    cross: bool
    maps: AttentionMaps | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.attn, name)

    def get_attention_scores(self, *inputs: Any) -> Tensor:
        """The maps, (rows heads, positions, tokens), after injection."""
        scores: Tensor = self.attn.get_attention_scores(*inputs)
        by_row = scores.view(self.rows, -1, *scores.shape[1:])
        if self.injection is not None:
            by_row = _inject(by_row, self.injection, self.cross)
        if self.maps is not None:
            self.maps.add(by_row)
        return by_row.view_as(scores)


def _inject(maps: Tensor, injection: Injection, cross: bool) -> Tensor:
    """(rows, heads, positions, tokens) with the source's maps in the target's rows."""
    injected = maps[injection.source]
    if cross and (alignment := injection.alignment) is not None:
        tokens, share = alignment.tokens.to(maps), alignment.share.to(maps)
        shared = torch.einsum("bhps,bst->bhpt", injected, tokens)
        a = share[:, None, None, :]
        injected = a * shared + (1 - a) * maps[injection.target]
        if alignment.weight is not None:
            injected = injected * alignment.weight.to(maps)[:, None, None, :]
    changed = maps.clone()
    changed[injection.target] = injected
    return changed
