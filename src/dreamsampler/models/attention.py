"""Attention maps of some rows of a forward, seen or used by others; the network stays as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.models.alignment import Alignment
from dreamsampler.models.attention_maps import Maps
from dreamsampler.models.errors import ModelError

_PLAIN = (
    "AttnProcessor",
    "AttnProcessor2_0",
    "SlicedAttnProcessor",
    "XFormersAttnProcessor",
)
"""diffusers' processors that compute nothing but attention, each in its own way."""


@final
@dataclass(frozen=True)
class Injection:
    """Which maps some rows of a forward take from others.

    Args:
        source: rows whose maps are used.
        target: as many rows, which use them.
        words: which tokens of the target's prompt take which of the source's; None leaves the
            cross-attention alone.
        cells: self-attention maps are taken as well where no more than so many places attend.
    """

    source: slice
    target: slice
    words: Alignment | None
    cells: int = 0


@contextlib.contextmanager
def watched(prior: Any, maps: Maps) -> Iterator[None]:
    """Cross-attention maps of what the prior is asked meanwhile are seen, and nothing is changed.

    Those of the down and up blocks, as published. Afterwards the network is what it was, after an
    error as well; see `injected`.

    Args:
        prior: a `NetworkPrior` around a UNet2DConditionModel.
        maps: what sees them.

    Raises:
        ModelError: another kind of network, or one whose attention somebody else has changed.
    """
    with _processed(prior, None, maps):
        yield


@contextlib.contextmanager
def injected(prior: Any, injection: Injection, maps: Maps | None = None) -> Iterator[None]:
    """Maps are injected in what the prior is asked meanwhile; afterwards nothing has changed.

        M_target <- c (a M_source P + (1 - a) M_target)    cross-attention: tokens P, share a, c
        M_target <- M_source                               self-attention

    Every attention layer gets a processor of ours, which leaves its work to the layer's own one
    where nothing is to be injected, and the own ones come back in the end, after an error as well.

    Args:
        prior: a `NetworkPrior` around a UNet2DConditionModel.
        injection: what to inject.
        maps: sees the maps of the down and up blocks as they are used.

    Raises:
        ModelError: another kind of network, or one whose attention somebody else has changed.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), section 3.1 to 3.2,
    with the weights c of "attention re-weighting".
    """
    with _processed(prior, injection, maps):
        yield


@contextlib.contextmanager
def _processed(prior: Any, injection: Injection | None, maps: Maps | None) -> Iterator[None]:
    """Processors of ours meanwhile, and the network's own ones afterwards."""
    network = check_attention(prior)
    own = dict(network.attn_processors)
    ours = {
        name: _Attending(each, injection, None if name.startswith("mid_block") else maps)
        for name, each in own.items()
    }
    network.set_attn_processor(ours)
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
    other = {type(p).__name__ for p in network.attn_processors.values()} - {*_PLAIN}
    if other:
        raise ModelError(
            f"the attention of this model was changed already ({', '.join(sorted(other))}), which "
            "attention control would undo: unload that first"
        )
    return network


@final
class _Attending:
    """A processor that injects and sees maps, or leaves the work to the layer's own one."""

    def __init__(self, own: Any, injection: Injection | None, maps: Maps | None) -> None:
        self._own, self._injection, self._maps = own, injection, maps

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """The layer's output."""
        from diffusers.models.attention_processor import AttnProcessor

        told = hidden_states, encoder_hidden_states, attention_mask, temb
        places = hidden_states[0, 0].numel() if hidden_states.ndim == 4 else hidden_states.shape[1]
        cross = encoder_hidden_states is not None
        injection, maps = self._injects(cross, places), self._maps if cross else None
        if injection is None and maps is None:
            return self._own(attn, *told)
        words = injection.words if injection is not None and cross else None
        watched: Any = _Watched(attn, len(hidden_states), injection, words, maps)
        return AttnProcessor()(watched, *told)

    def _injects(self, cross: bool, places: int) -> Injection | None:
        """What is injected into this layer."""
        change = self._injection
        if change is None or (change.words is None if cross else places > change.cells):
            return None
        return change


@final
class _Watched:
    """An attention layer whose maps are seen or exchanged on their way; all else is the layer's."""

    def __init__(
        self,
        attn: nn.Module,
        rows: int,
        injection: Injection | None,
        words: Alignment | None,
        maps: Maps | None,
    ) -> None:
        self._attn, self._rows, self._injection, self._words = attn, rows, injection, words
        self._maps = maps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attn, name)

    def get_attention_scores(self, *told: Any) -> Tensor:
        """The maps, (rows heads, places, tokens), after injection."""
        maps: Tensor = self._attn.get_attention_scores(*told)  # pyright: ignore[reportCallIssue]
        each = maps.view(self._rows, -1, *maps.shape[1:])
        if self._injection is not None:
            each = self._exchanged(each, self._injection)
        if self._maps is not None:
            self._maps.see(each)
        return each.view_as(maps)

    def _exchanged(self, each: Tensor, injection: Injection) -> Tensor:
        """(rows, heads, places, tokens), those of the target being the source's."""
        taken = each[injection.source]
        if self._words is not None:
            tokens, share = self._words.tokens.to(each), self._words.share.to(each)
            shared = torch.einsum("bhps,bst->bhpt", taken, tokens)
            a = share[:, None, None, :]
            taken = a * shared + (1 - a) * each[injection.target]
            if self._words.weight is not None:
                taken = taken * self._words.weight.to(each)[:, None, None, :]
        changed = each.clone()
        changed[injection.target] = taken
        return changed
