"""Attention maps of some rows of a forward, used by others; the network stays what it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.models.alignment import Alignment
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
def injected(prior: Any, injection: Injection) -> Iterator[None]:
    """Maps are injected in what the prior is asked meanwhile; afterwards nothing has changed.

        M_target <- a M_source P + (1 - a) M_target    cross-attention, tokens P, share a
        M_target <- M_source                           self-attention

    Every attention layer gets a processor of ours, which leaves its work to the layer's own one
    where nothing is to be injected, and the own ones come back in the end, after an error as well.

    Args:
        prior: a `NetworkPrior` around a UNet2DConditionModel.
        injection: what to inject.

    Raises:
        ModelError: another kind of network, or one whose attention somebody else has changed.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), section 3.1 to 3.2.
    """
    network = check_attention(prior)
    own = dict(network.attn_processors)
    network.set_attn_processor({name: _Injecting(each, injection) for name, each in own.items()})
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
class _Injecting:
    """A processor that injects, or leaves the work to the layer's own one."""

    def __init__(self, own: Any, injection: Injection) -> None:
        self._own, self._injection = own, injection

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
        words = self._injection.words
        places = hidden_states[0, 0].numel() if hidden_states.ndim == 4 else hidden_states.shape[1]
        cross = encoder_hidden_states is not None
        if words is None if cross else places > self._injection.cells:
            return self._own(attn, *told)
        watched: Any = _Watched(attn, len(hidden_states), self._injection, words if cross else None)
        return AttnProcessor()(watched, *told)


@final
class _Watched:
    """An attention layer whose maps are exchanged on their way; all else is the layer's."""

    def __init__(
        self, attn: nn.Module, rows: int, injection: Injection, words: Alignment | None
    ) -> None:
        self._attn, self._rows, self._injection, self._words = attn, rows, injection, words

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attn, name)

    def get_attention_scores(self, *told: Any) -> Tensor:
        """The maps, (rows heads, places, tokens), after injection."""
        maps: Tensor = self._attn.get_attention_scores(*told)  # pyright: ignore[reportCallIssue]
        each = maps.view(self._rows, -1, *maps.shape[1:])
        taken = each[self._injection.source]
        if self._words is not None:
            tokens, share = self._words.tokens.to(maps), self._words.share.to(maps)
            shared = torch.einsum("bhps,bst->bhpt", taken, tokens)
            a = share[:, None, None, :]
            taken = a * shared + (1 - a) * each[self._injection.target]
        changed = each.clone()
        changed[self._injection.target] = taken
        return changed.view_as(maps)
