"""What one architecture adds to the prior: how a prompt is read and how its network is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol, TypeAlias, final, runtime_checkable

import torch
from torch import Tensor, nn

from dreamsampler.maths import Latent, Level, RectifiedFlow, Schedule, Target, VariancePreserving
from dreamsampler.models.prompt import Tokens

Guidance: TypeAlias = Literal["free", "told", "baked"]
"""How a network can be guided: by two questions (classifier-free), by telling it the scale, or
not at all, because a scale was baked into its weights."""


@final
@dataclass(frozen=True, eq=False)
class TextCondition:
    """A prompt as a network reads it.

    Args:
        prompt: the words.
        embeddings: (1, n, d), serving every row of a batch, or (b, n, d).
        pooled: (1, p), one vector for the whole prompt, in families that have one.
        mask: (1, n), True where a token is a word and not padding, in families that ask.
        told: the guidance scale that a network with an input for it is told.
        beside: (1, k, h, w), channels that are shown beside the latent (inpainting networks).
    """

    prompt: str
    embeddings: Tensor
    pooled: Tensor | None = None
    mask: Tensor | None = None
    told: float | None = None
    beside: Tensor | None = None

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, TextCondition):
            return self is other
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return all(
            torch.equal(a, b)
            if isinstance(a, Tensor) and isinstance(b, Tensor)
            else a is b or a == b
            for a, b in pairs
            if isinstance(a, Tensor) == isinstance(b, Tensor)
        ) and all(isinstance(a, Tensor) == isinstance(b, Tensor) for a, b in pairs)

    def __hash__(self) -> int:
        return hash((self.prompt, self.told))

    def to(self, device: torch.device, dtype: torch.dtype) -> TextCondition:
        """The same where and in what a network computes; a mask stays a mask."""
        moved = {
            f.name: value.to(device) if value.dtype == torch.bool else value.to(device, dtype)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


@final
@dataclass(frozen=True)
class Told:
    """What a network is told in one forward: every row of the batch with its own condition.

    Args:
        embeddings: (b, n, d); shorter prompts are padded with zeros at their end.
        pooled: (b, p), or None.
        mask: (b, n), or None where every token counts.
        scales: the told guidance scale of each row, or None.
        beside: (b, k, h, w), or None.
    """

    embeddings: Tensor
    pooled: Tensor | None
    mask: Tensor | None
    scales: list[float] | None
    beside: Tensor | None

    def words(self) -> Tensor:
        """The mask, (b, n); all True where there is none."""
        shape = self.embeddings.shape[:2]
        everything = torch.ones(shape, dtype=torch.bool, device=self.embeddings.device)
        return everything if self.mask is None else self.mask


def stack(
    conditions: Sequence[TextCondition],
    rows: Sequence[int],
    device: torch.device,
    dtype: torch.dtype,
) -> Told:
    """Conditions, each for so many rows, as one batch.

    Args:
        conditions: what to tell.
        rows: how many rows of the batch each condition serves.
        device: where the network computes.
        dtype: what it computes in.
    """
    pairs = [(c.to(device, dtype), n) for c, n in zip(conditions, rows, strict=True)]
    longest = max(c.embeddings.shape[1] for c, _ in pairs)

    def together(name: str) -> Tensor | None:
        parts = [(getattr(c, name), n) for c, n in pairs]
        return None if parts[0][0] is None else torch.cat([_spread(each, n) for each, n in parts])

    mask = None
    if any(c.mask is not None or c.embeddings.shape[1] < longest for c, _ in pairs):
        mask = torch.cat([_spread(_padded(_words_of(c), longest), n) for c, n in pairs])
    told = [c.told for c, n in pairs for _ in range(n)]
    return Told(
        torch.cat([_spread(_padded(c.embeddings, longest), n) for c, n in pairs]),
        together("pooled"),
        mask,
        None if told[0] is None else [float(each or 0) for each in told],
        together("beside"),
    )


@final
class Stack:
    """`stack`, but what was said last is not put together again.

    A run says the same at every level: that was a quarter of the loop's own time on Stable
    Diffusion. Embeddings that learn are stacked anew, since a graph is walked back only once.
    """

    def __init__(self) -> None:
        self._asked: tuple[Sequence[TextCondition], tuple[object, ...]] = ((), ())
        self._told: Told | None = None

    def __call__(
        self,
        conditions: Sequence[TextCondition],
        rows: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> Told:
        """Conditions, each for so many rows, as one batch."""
        before, where = self._asked
        asked = (*rows, device, dtype)
        same = where == asked and all(a is b for a, b in zip(before, conditions, strict=True))
        if self._told is not None and same:
            return self._told
        told = stack(conditions, rows, device, dtype)
        parts = (told.embeddings, told.pooled, told.beside)
        learned = any(part is not None and part.requires_grad for part in parts)
        self._asked, self._told = (tuple(conditions), asked), None if learned else told
        return told


def _spread(each: Tensor, n: int) -> Tensor:
    return each.expand(n, *each.shape[1:])


def _padded(each: Tensor, longest: int) -> Tensor:
    """With zeros behind the last token."""
    end = each.new_zeros(len(each), longest - each.shape[1], *each.shape[2:])
    return torch.cat([each, end], dim=1) if end.shape[1] else each


def _words_of(condition: TextCondition) -> Tensor:
    every = torch.ones(condition.embeddings.shape[:2], dtype=torch.bool)
    return every.to(condition.embeddings.device) if condition.mask is None else condition.mask


@runtime_checkable
class Family(Protocol):
    """One architecture: `NetworkPrior` keeps the books, a family knows how to speak.

    Attributes:
        network: the denoiser.
        encoders: name -> text encoder; emptied when they are released.
        schedule: the forward process.
        target: what the network outputs.
        latent_channels: channels of a latent.
        cells: latents' sides must be whole multiples of this many cells.
        native_cells: side of the latents that the network knows best.
        guidance: how the network can be guided.
        default_scale: the guidance scale that it is usually asked with.
    """

    network: Any
    encoders: dict[str, Any]
    schedule: Schedule
    target: Target
    latent_channels: int
    cells: int
    native_cells: int
    guidance: Guidance
    default_scale: float

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """What the text encoders make of a prompt, and what they had to leave out."""
        ...

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """The network's raw output in the layout of z, one row per row."""
        ...


class FamilyKind(Protocol):
    """What is known of a family before any of its networks is there.

    Attributes:
        title: its name in words.
        flow: whether it is a rectified flow; else it has a table of noise levels.
        half: the 16-bit dtype that it was published in.
        pipelines: names of the diffusers pipelines whose folders it reads.
        classes: part -> the classes it may be of, the usual one first.
        optional: parts that a folder may lack.
    """

    title: str
    flow: bool
    half: torch.dtype
    pipelines: tuple[str, ...]
    classes: dict[str, tuple[str, ...]]
    optional: tuple[str, ...]

    def __call__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> Family:
        """The family around its parts."""
        ...

    def check(self, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the configurations are not of this family."""
        ...


def table_of(scheduler: Any) -> VariancePreserving:
    """The forward process of a scheduler with a table, in its float32 digits."""
    return VariancePreserving(tuple(scheduler.alphas_cumprod.detach().float().cpu().tolist()))


def flow_of(scheduler: Mapping[str, Any], tokens: int) -> RectifiedFlow:
    """The forward process of a flow model: straight lines, timed for its native size.

        shift = exp(m tokens + b),  m, b through (base tokens, base shift) and (max tokens, max)

    where the scheduler asks for shifting by size, else its own constant shift. Which latents lie
    at a sigma does not depend on it; only where evenly spaced times fall does.

    Args:
        scheduler: its configuration.
        tokens: how many picture tokens the network sees at its native size.

    Source: Esser et al., "Scaling rectified flow transformers", ICML 2024, section 5.3.2, for
    shifting by size.
    """
    if not scheduler.get("use_dynamic_shifting"):
        return RectifiedFlow(scheduler.get("shift") or scheduler.get("flow_shift") or 1.0)
    low, high = scheduler.get("base_image_seq_len", 256), scheduler.get("max_image_seq_len", 4096)
    least, most = scheduler.get("base_shift", 0.5), scheduler.get("max_shift", 1.15)
    mu = least + (most - least) * (tokens - low) / (high - low)
    return RectifiedFlow(math.exp(mu))


def pack(z: Latent) -> Tensor:
    """Latents as tokens of 2 x 2 cells: (b, c, h, w) to (b, h/2 w/2, 4 c).

    Example:
        >>> unpack(pack(torch.arange(16.0).view(1, 1, 4, 4)), 4, 4)[0, 0, 1].tolist()
        [4.0, 5.0, 6.0, 7.0]
    """
    b, c, h, w = z.shape
    blocks = z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(b, h // 2 * (w // 2), 4 * c)


def unpack(tokens: Tensor, height: int, width: int) -> Latent:
    """Tokens of 2 x 2 cells as latents of so many cells; the inverse of `pack`."""
    b, _, d = tokens.shape
    blocks = tokens.view(b, height // 2, width // 2, d // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(b, d // 4, height, width)


def rows_of(value: float, z: Latent, dtype: torch.dtype = torch.float32) -> Tensor:
    """One number for every row of a batch."""
    return torch.full((len(z),), value, device=z.device, dtype=dtype)


def numbers_of(values: Sequence[float], z: Latent, dtype: torch.dtype = torch.float32) -> Tensor:
    """A number for every row of a batch; equal ones are made on the device, which waits for none.

    A list that is copied to a GPU has it finish everything before.
    """
    if all(value == values[0] for value in values):
        return torch.full((len(values),), values[0], device=z.device, dtype=dtype)
    return torch.tensor(values, device=z.device, dtype=dtype)


def place_of(module: nn.Module) -> torch.device:
    """Where a module computes; if accelerate keeps its weights elsewhere, a hook knows."""
    first = next(module.parameters()).device
    parts = module.modules() if first.type == "meta" else [module]
    hooks = (getattr(part, "_hf_hook", None) for part in parts)
    known = (getattr(hook, "execution_device", None) for hook in hooks)
    return torch.device(next((device for device in known if device is not None), first))
