"""Stable Diffusion 1.x and 2.x as a prior."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn

from dreamsampler.maths import (
    Estimate,
    Image,
    Latent,
    Level,
    Target,
    VariancePreserving,
    to_estimate,
)
from dreamsampler.models.errors import NetworkError
from dreamsampler.models.prompt import embed
from dreamsampler.models.support import check_scheduler, check_text_encoder, check_unet, target_of

_REMEMBERED = 64
_Place: TypeAlias = tuple[torch.device, torch.dtype]


@final
@dataclass(frozen=True, eq=False)
class TextCondition:
    """A prompt as Stable Diffusion reads it.

    Args:
        prompt: the words.
        embeddings: (1, n, d), serving every row of a batch.
    """

    prompt: str
    embeddings: Tensor

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, TextCondition)
            and self.prompt == other.prompt
            and torch.equal(self.embeddings, other.embeddings)
        )

    def __hash__(self) -> int:
        return hash(self.prompt)


@final
class StableDiffusion:
    """The prior inside a Stable Diffusion pipeline: its networks, none of its samplers.

        output = unet(z, n, text),  n = level.t N - 1;   (z0, eps) solve the output's equation

    The very modules are kept, neither copied nor changed, so what is loaded into them later (a
    LoRA, say) counts. They act as frozen: gradients pass through to the latents and pictures, and
    never into the weights, whose requires_grad is as before after each call.

    The rates are the level's own; only its time is told to the network. The clean level, t = 0, is
    asked at the network's first time.

    Args:
        unet: a UNet2DConditionModel that needs an image and text, nothing else.
        vae: an AutoencoderKL (or AutoencoderTiny).
        text_encoder: a CLIPTextModel.
        tokenizer: its tokenizer.
        scheduler: any scheduler with alphas_cumprod; only the table and prediction_type are read.
        name: what the model was asked for by; goes into recipes.
        revision: which version of it; goes into recipes.
        owned: nobody else changes the networks, and their weights require no gradients; so the
            embeddings of the last prompts are kept, and no weight is looked at in a step.

    Attributes:
        evaluations: images times conditions that went through the UNet so far; a task takes the
            difference of two readings.

    Raises:
        ModelError: a UNet, scheduler or text encoder of another kind.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior, z = from_pretrained(device="cpu"), torch.zeros(1, 8, 16, 16)
        >>> conditions = [prior.condition("cat face"), prior.condition("dog face")]
        >>> cat, dog = prior.predict(z, prior.schedule(0.5), conditions)
        >>> cat.z0.shape, prior.evaluations
        (torch.Size([1, 8, 16, 16]), 2)

    Source: Rombach et al., "High-resolution image synthesis with latent diffusion models",
    CVPR 2022.
    """

    def __init__(
        self,
        unet: nn.Module,
        vae: nn.Module,
        text_encoder: nn.Module,
        tokenizer: Any,
        scheduler: Any,
        *,
        name: str = "",
        revision: str = "",
        owned: bool = False,
    ) -> None:
        self.unet: Any = unet
        self.vae: Any = vae
        self.text_encoder: Any = text_encoder
        self.tokenizer: Any = tokenizer
        self.name = name
        self.revision = revision
        self.evaluations = 0
        check_unet(self.unet.config, self.vae.config)
        check_text_encoder(self.text_encoder.config, self.unet.config)
        check_scheduler(scheduler)
        self.target: Target = target_of(scheduler.config)
        table = scheduler.alphas_cumprod.detach().float().cpu()
        self._schedule = VariancePreserving(tuple(table.tolist()))
        self._owned = owned
        self._conditions: dict[str, TextCondition] = {}
        self._places: dict[int, tuple[_Place, _Place]] = {}

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"StableDiffusion({self.name!r}, revision={self.revision!r}, {dtype}, {self.device})"

    @property
    def schedule(self) -> VariancePreserving:
        """The forward process: the table alphas_cumprod of the scheduler, in its float32 digits."""
        return self._schedule

    @property
    def latent_channels(self) -> int:
        """Channels of a latent; 4 for every published Stable Diffusion 1.x and 2.x."""
        return self.vae.config.latent_channels

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side; 8 for Stable Diffusion."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def multiple(self) -> int:
        """Pixels that the UNet halves without a remainder; 64 for Stable Diffusion 1.5."""
        return self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)

    @property
    def native_size(self) -> int:
        """Side of the pictures that the UNet was trained on, in pixels."""
        size = self.unet.config.sample_size or 64
        return self.factor * (size if isinstance(size, int) else max(size))

    @property
    def device(self) -> torch.device:
        """Where the UNet computes."""
        return self._place(self.unet)[0]

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet computes in; latents are float32 all the same."""
        return self._place(self.unet)[1]

    def condition(self, prompt: str | None) -> TextCondition:
        """The text encoder's last hidden states for a prompt; None and "" are the null prompt.

        Warns:
            PromptTruncated: the prompt is too long for the encoder; names the lost words.
        """
        words = prompt or ""
        if self._owned and words in self._conditions:
            return self._conditions[words]
        where, _ = self._place(self.text_encoder)
        embeddings, whole = embed(words, self.tokenizer, self.text_encoder, where)
        made = TextCondition(words, embeddings.to(self.device, self.dtype))
        if self._owned and whole:  # a prompt that was cut warns every time
            self._conditions[words] = made
            if len(self._conditions) > _REMEMBERED:
                del self._conditions[next(iter(self._conditions))]
        return made

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[TextCondition]
    ) -> list[Estimate]:
        """Estimates under several conditions, in one batched forward of the UNet.

        Args:
            z: one latent batch that every condition is asked about, or one batch per condition.
            level: the level of all of them.
            conditions: what to ask under; each serves its whole batch.

        Raises:
            NetworkError: the UNet answered with NaN or infinity.
            ValueError: another number of latent batches than of conditions, or of channels than
                the model's.
            MemoryError: the picture is too large.
        """
        zs = [z] * len(conditions) if isinstance(z, Tensor) else list(z)
        if len(zs) != len(conditions):
            raise ValueError(f"{len(zs)} latent batches came for {len(conditions)} conditions")
        if not zs:
            return []
        if any(each.ndim != 4 or each.shape[1] != self.latent_channels for each in zs):
            raise ValueError(
                f"a latent is {tuple(zs[0].shape)}, but {self.name or 'this model'} has latents of "
                f"(b, {self.latent_channels}, h, w): take them from encode"
            )
        zs = [_at_least_float32(each) for each in zs]
        rows = [len(each) for each in zs]
        where, dtype = self._place(self.unet)
        shown = (torch.cat(zs) if len(zs) > 1 else zs[0]).to(where, dtype)
        text = torch.cat(
            [c.embeddings.expand(n, -1, -1) for c, n in zip(conditions, rows, strict=True)]
        )
        time = max(self._schedule.timestep(level.t), 0)
        with self._running(self.unet, shown):
            output = self.unet(
                shown, time, encoder_hidden_states=text.to(where, dtype), return_dict=False
            )[0]
        self.evaluations += len(shown)
        outputs = output.to(zs[0]).split(rows)
        self._check(output, shown, f"the UNet at t {level.t:.4g}, sigma {level.sigma:.4g}", dtype)
        return [to_estimate(o, z, level, self.target) for o, z in zip(outputs, zs, strict=True)]

    def encode(self, x: Image) -> Latent:
        """Picture in [-1, 1] to latent: the mode of the posterior, shifted and scaled.

            z = (mode(E(x)) - shift) scale

        Raises:
            ValueError: height or width is no multiple of `factor`.
            NetworkError: the autoencoder answered with NaN or infinity.
        """
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % self.factor or x.shape[3] % self.factor:
            raise ValueError(
                f"a picture is {tuple(x.shape)}, but (b, 3, h, w) with h and w multiples of "
                f"{self.factor} is wanted: pad it (best to multiples of {self.multiple})"
            )
        x = _at_least_float32(x)
        where, dtype = self._place(self.vae)
        shown = x.to(where, dtype)
        with self._running(self.vae, shown):
            output = self.vae.encode(shown)
        mode = output.latent_dist.mode() if "latent_dist" in output else output.latents
        self._check(mode, shown, "the autoencoder's encoder", dtype)
        scale, shift = _scaling(self.vae.config)
        return (mode.to(x) - shift) * scale

    def decode(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1], not clamped.

            x = D(z / scale + shift)

        Raises:
            NetworkError: the autoencoder answered with NaN or infinity.
        """
        z = _at_least_float32(z)
        scale, shift = _scaling(self.vae.config)
        where, dtype = self._place(self.vae)
        shown = (z / scale + shift).to(where, dtype)
        with self._running(self.vae, shown):
            output = self.vae.decode(shown, return_dict=False)[0]
        self._check(output, shown, "the autoencoder's decoder", dtype)
        return output.to(z)

    def _place(self, module: Any) -> _Place:
        """Where and in what a module computes; looked up anew when its first weight has moved.

        Its own properties walk through all submodules: 8 ms for Stable Diffusion 1.5.
        """
        first = next(module.parameters())
        now = (first.device, first.dtype)
        seen = self._places.get(id(module))
        if seen is None or seen[0] != now:
            seen = self._places[id(module)] = (now, (_device(module), module.dtype))
        return seen[1]

    @contextlib.contextmanager
    def _running(self, module: nn.Module, shown: Tensor) -> Iterator[None]:
        """No gradient reaches a module's weights from inside, and lack of memory is one line."""
        watch = torch.is_grad_enabled() and not self._owned
        live = [p for p in module.parameters() if p.requires_grad] if watch else []
        for parameter in live:
            parameter.requires_grad_(False)
        try:
            yield
        except RuntimeError as error:
            scarce = isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
            if not scarce:
                raise
            raise MemoryError(
                f"{type(module).__name__} ran out of memory on {tuple(shown.shape)}: take a "
                "smaller picture or fewer at a time, or load the model in half precision"
            ) from None
        finally:
            for parameter in live:
                parameter.requires_grad_(True)

    def _check(self, output: Tensor, shown: Tensor, what: str, dtype: torch.dtype) -> None:
        """Raise NetworkError unless every number is finite; one reduction, one wait."""
        if output.detach().sum(dtype=torch.float32).isfinite():
            return
        name = str(dtype).removeprefix("torch.")
        if not shown.isfinite().all():
            do = "it was shown NaN or infinity: look at the step before (scale too high?)"
        elif dtype == torch.float16:
            do = "float16 overflows in some models: load this one with dtype bfloat16 or float32"
        else:
            do = "the weights are damaged or do not fit their configuration: load the model again"
        raise NetworkError(f"{what} answered with NaN or infinity in {name}; {do}")


def _scaling(config: Any) -> tuple[float, float]:
    scale, shift = (getattr(config, f"{word}_factor", None) for word in ("scaling", "shift"))
    return (1.0 if scale is None else scale), (shift or 0.0)


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _device(module: Any) -> torch.device:
    """Where a module computes; if accelerate keeps its weights elsewhere, a hook knows."""
    parts = module.modules() if module.device.type == "meta" else [module]
    hooks = (getattr(part, "_hf_hook", None) for part in parts)
    known = (getattr(hook, "execution_device", None) for hook in hooks)
    return torch.device(next((device for device in known if device is not None), module.device))
