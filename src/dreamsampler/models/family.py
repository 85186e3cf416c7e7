"""What differs between architectures: how a prompt is encoded and how the network is called."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.maths import (
    Latent,
    Level,
    RectifiedFlow,
    Target,
    VariancePreserving,
    Weight,
    weigh,
)
from dreamsampler.models.codec import Codec
from dreamsampler.models.errors import SUPPORTED, ModelError
from dreamsampler.models.prompt import Tokens

Guidance: TypeAlias = Literal["cfg", "embedded", "distilled", "none"]
"""How a network is guided: by two prompts (classifier-free guidance), by an input for the guidance
scale, or not at all, because a scale was distilled into its weights, or it reads no prompts."""

_TARGETS: dict[str, Target] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}


@final
@dataclass(frozen=True, eq=False)
class TextCondition:
    """A prompt as a network reads it.

    Args:
        embeddings: (1, n, d), serving every row of a batch, or (b, n, d).
        pooled: (1, p), one vector for the whole prompt, in families that have one.
        guidance_scale: of a network with an input for it ("embedded").
        extra_channels: (1, k, h, w), concatenated to the latent (inpainting networks).
    """

    prompt: str
    embeddings: Tensor
    pooled: Tensor | None = None
    guidance_scale: float | None = None
    extra_channels: Tensor | None = None

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, TextCondition):
            return self is other
        return all(
            torch.equal(a, b)
            if isinstance(a, Tensor) and isinstance(b, Tensor)
            else not isinstance(a, Tensor) and not isinstance(b, Tensor) and a == b
            for a, b in ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    def __hash__(self) -> int:
        return hash((self.prompt, self.guidance_scale))

    def to(self, device: torch.device, dtype: torch.dtype) -> TextCondition:
        """The same on a device and in a precision."""
        moved = {
            f.name: value.to(device, dtype)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


class TextInputs(NamedTuple):
    """The conditions of one forward, a row each; None where a network has no such input.

    Args:
        embeddings: (b, n, d).
        pooled: (b, p).
        guidance_scales: b numbers, of a network with an input for them.
        extra_channels: (b, k, h, w).
    """

    embeddings: Tensor
    pooled: Tensor | None
    guidance_scales: list[float] | None
    extra_channels: Tensor | None


def batch_conditions(
    conditions: Sequence[TextCondition],
    rows: Sequence[int],
    device: torch.device,
    dtype: torch.dtype,
) -> TextInputs:
    """Conditions, each for so many rows of the batch, as the inputs of a network."""
    pairs = [(c.to(device, dtype), n) for c, n in zip(conditions, rows, strict=True)]

    def joined(parts: Sequence[Tensor | None]) -> Tensor | None:
        if parts[0] is None:
            return None
        each = zip(parts, rows, strict=True)
        return torch.cat([part.expand(n, *part.shape[1:]) for part, n in each if part is not None])

    embeddings = joined([c.embeddings for c, _ in pairs])
    assert embeddings is not None
    scales = [c.guidance_scale for c, n in pairs for _ in range(n)]
    return TextInputs(
        embeddings,
        joined([c.pooled for c, _ in pairs]),
        None if scales[0] is None else [float(scale or 0) for scale in scales],
        joined([c.extra_channels for c, _ in pairs]),
    )


class Family(ABC):
    """One architecture: a subclass encodes prompts and calls the network.

    Class attributes:
        pipelines: names of the diffusers pipelines whose folders it reads.
        parts: names of its networks and tokenizers in such a pipeline.
        half: the 16-bit dtype that it was published in.

    Attributes:
        references: whether a condition can hold reference pictures, `condition(prompt, image=x)`.
        guides_itself: whether guidance happens inside of `forward`.
        casts: whether `forward` moves and casts latents itself.
        rows: evaluations of the network for one row of a batch.
        encoders: name -> text encoder; emptied when they are released.
        tokenizers: name -> tokenizer.
        cells: latents' sides must be whole multiples of this many cells.
        native_cells: side of the latents that the network was trained on.

    Args:
        parts: name -> network, tokenizer or scheduler.
        settings: further entries of model_index.json.

    Raises:
        ModelError: a part of another kind.
    """

    title: ClassVar[str]
    pipelines: ClassVar[tuple[str, ...]]
    parts: ClassVar[tuple[str, ...]] = ("unet",)
    half: ClassVar[torch.dtype] = torch.bfloat16
    latent_channels: int
    cells: int
    native_cells: int
    guidance: Guidance = "cfg"
    default_scale: float = 5.0
    references: bool = False
    guides_itself: bool = False
    casts: bool = False
    rows: int = 1

    @property
    def controls(self) -> dict[str, Any]:
        """Pictures of what lies where (edges, depth, ...): argument of its call -> picture."""
        return {}

    def __init__(self, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        del settings  # read by the families that have some
        known = {name: parts[name] for name in self.parts}
        self.network: Any = known["unet"]
        self.encoders: dict[str, Any] = {n: p for n, p in known.items() if "text_encoder" in n}
        self.tokenizers: dict[str, Any] = {n: p for n, p in known.items() if "tokenizer" in n}
        self.check({n: p.config for n, p in known.items() if n not in self.tokenizers})
        scheduler = parts["scheduler"]
        if getattr(scheduler, "alphas_cumprod", None) is None:
            raise ModelError(
                f"{type(scheduler).__name__} has no alphas_cumprod, so it is no scheduler of a "
                f"variance-preserving model: {SUPPORTED}"
            )
        table = scheduler.alphas_cumprod.detach().float().cpu()
        self.schedule: Any = VariancePreserving(tuple(table.tolist()))
        self.target: Target = target_of(scheduler.config)

    @classmethod
    def check(cls, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise ModelError if the configurations of the networks are not of this family."""
        del configs  # every network of the classes is of the family

    def codec(self, parts: Mapping[str, Any], tiling: int | None) -> Any:
        """What turns pictures into its latents and back."""
        return Codec(parts["vae"], tiling)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the first text encoder."""
        return next(iter(self.tokenizers.values()))

    def batch(
        self,
        conditions: Sequence[Any],
        rows: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> Any:
        """Conditions, each for so many rows, as `forward` takes them.

        The last ones are kept: a run has the same at every level, and batching them was a quarter
        of the loop's own time on Stable Diffusion. Embeddings that require gradients are batched
        anew, since a graph is walked back only once.
        """
        key = [*map(id, conditions), *rows, device, dtype]
        known = vars(self).get("_batch")
        if known is not None and known[0] == key:
            return known[1]
        inputs = batch_conditions(conditions, rows, device, dtype)
        parts = (inputs.embeddings, inputs.pooled, inputs.extra_channels)
        trained = any(part is not None and part.requires_grad for part in parts)
        self._batch = (
            None if trained else (key, inputs, tuple(conditions))
        )  # held: an id is theirs alone
        return inputs

    @property
    def inpaints(self) -> bool:
        """Whether the network has channels for a picture and its mask."""
        return getattr(self.network.config, "in_channels", 0) == 2 * self.latent_channels + 1

    def check_latent(self, z: Latent, name: str, multiple: int) -> None:
        """Raise ValueError if a latent does not fit the network of a model of this name."""
        if z.ndim != 4 or z.shape[1] != self.latent_channels:
            raise ValueError(
                f"a latent is {tuple(z.shape)}, but {name} has latents of "
                f"(b, {self.latent_channels}, h, w): take them from encode"
            )
        unet = getattr(self.network.config, "block_out_channels", None)  # copes with odd sides
        if not unet and (z.shape[2] % self.cells or z.shape[3] % self.cells):
            raise ValueError(
                f"a latent is {tuple(z.shape)}, but its sides must be multiples of {self.cells}: "
                f"pad the picture to multiples of {multiple} pixels"
            )

    def guided(
        self, name: str, condition: Any, null: Any, scale: Weight
    ) -> list[tuple[Any, Weight]]:
        """See `NetworkPrior.guided`; the name is that of the model."""
        if self.guides_itself and (null.prompt or scale != 1):
            raise ModelError(
                f"{name} guides itself by its call: leave guidance_scale and the negative prompt "
                "out of the task, or guidance_scale out of the call"
            )
        if self.guidance == "cfg" or null.prompt:
            return [(null, lambda level: 1 - weigh(scale, level)), (condition, scale)]
        if callable(scale):
            raise ModelError(
                f"{name} was distilled to one guidance scale for a whole run, so it cannot change "
                "with the level: pass a number"
            )
        if self.guidance == "embedded":
            return [(replace(condition, guidance_scale=scale), 1.0)]
        if scale != 1 and self.guidance == "none":
            raise ModelError(f"{name} reads no prompts: leave guidance_scale out")
        if scale != 1:
            raise ModelError(
                f"{name} was distilled with guidance and without the null prompt, so "
                f"guidance_scale {scale:g} means nothing to it: pass guidance_scale 1, or a "
                "negative prompt to be guided away from"
            )
        return [(condition, 1.0)]

    @abstractmethod
    def encode_prompt(self, prompt: str) -> tuple[TextCondition, Tokens | None]:
        """The output of the text encoders, and the tokens, if any: they know what was truncated."""

    @abstractmethod
    def forward(self, z: Latent, level: Level, inputs: TextInputs) -> Tensor:
        """The network's raw output in the layout of z, one row per row."""


def target_of(scheduler: Mapping[str, Any]) -> Target:
    """What the network was trained to output, by its scheduler's configuration."""
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in _TARGETS:
        raise ModelError(
            f"the scheduler's prediction_type is {kind!r}, but must be {' or '.join(_TARGETS)}"
        )
    return _TARGETS[kind]


def check_start(some_signal: float, target: Target) -> None:
    """Refuse a network that predicts epsilon from noise alone: there it says nothing of z0."""
    if target == "epsilon" and not some_signal:
        raise ModelError(
            "the scheduler starts at noise alone, of which the prediction_type epsilon says "
            "nothing: set rescale_betas_zero_snr to false in scheduler_config.json, or "
            "prediction_type to v_prediction if the network was trained so"
        )


def flow_schedule(scheduler: Mapping[str, Any], tokens: int) -> RectifiedFlow:
    """The forward process of a flow model: straight lines, timed for its native size.

        shift = exp(m tokens + b),  m, b through (base tokens, base shift) and (max tokens, max)

    where the scheduler uses dynamic shifting, else its own constant shift. Which latents belong to
    a sigma does not depend on it; only the spacing of times does.

    Args:
        scheduler: its configuration.
        tokens: how many image tokens the network has at its native size.

    Source: Esser et al., "Scaling rectified flow transformers", ICML 2024, section 5.3.2.
    """
    if not scheduler.get("use_dynamic_shifting"):
        return RectifiedFlow(scheduler.get("shift") or scheduler.get("flow_shift") or 1.0)
    low, high = scheduler.get("base_image_seq_len", 256), scheduler.get("max_image_seq_len", 4096)
    least, most = scheduler.get("base_shift", 0.5), scheduler.get("max_shift", 1.15)
    return RectifiedFlow(math.exp(least + (most - least) * (tokens - low) / (high - low)))


def per_row(values: float | Sequence[float], z: Tensor) -> Tensor:
    """(b,) float32: a number for every row of a batch, or one for all of them.

    Equal numbers are made on the device: a list that is copied to a GPU waits for its queue.
    """
    if isinstance(values, float | int):
        values = [values] * len(z)
    if all(value == values[0] for value in values):
        return torch.full((len(values),), values[0], device=z.device, dtype=torch.float32)
    return torch.tensor(values, device=z.device, dtype=torch.float32)
