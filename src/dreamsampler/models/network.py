"""A trained network as a prior, whatever its family."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn

from dreamsampler.maths import (
    Estimate,
    FewLevels,
    Image,
    Latent,
    Level,
    Schedule,
    Target,
    Weight,
    to_estimate,
    weigh,
)
from dreamsampler.models.codec import Codec
from dreamsampler.models.errors import ModelError, PromptTruncated
from dreamsampler.models.family import Family, Stack, TextCondition, place_of
from dreamsampler.models.watch import Watch

_REMEMBERED = 64
_Place: TypeAlias = tuple[torch.device, torch.dtype]


@final
class NetworkPrior:
    """The prior inside a diffusers pipeline: its networks, none of its samplers.

        output = network(z, level, text);   (z0, eps) solve the output's equation

    A family says how a prompt is read and how the network is asked; this class keeps the books.
    The very modules are kept, neither copied nor changed, so what is loaded into them later (a
    LoRA, say) counts. They act as frozen: gradients pass through to the latents and pictures, and
    never into the weights, whose requires_grad is as before after each call.

    A level of a variance-preserving schedule that a flow network is asked at is translated: the
    network sees z / (alpha + sigma) at u = sigma / (alpha + sigma), and nothing else changes.

    Args:
        family: how the network is spoken to.
        codec: the autoencoder.
        name: what the model was asked for by; goes into recipes.
        revision: which version of it; goes into recipes.
        owned: nobody else changes the networks, and their weights require no gradients; so the
            embeddings of the last prompts are kept, and no weight is looked at in a step.
        reload: brings text encoders back that were released; None keeps them forever.
        preview: a small autoencoder for previews, of the same latents.

    Attributes:
        evaluations: images times conditions that went through the network so far; a task takes
            the difference of two readings.
        grid: n, if a distilled network knows the times i/n only (`few_steps`).
        added: the LoRAs and learned words in it, as a recipe tells of them.

    Example:
        >>> from dreamsampler.models.load import from_pretrained
        >>> prior, z = from_pretrained(device="cpu"), torch.zeros(1, 8, 16, 16)
        >>> conditions = [prior.condition("cat face"), prior.condition("dog face")]
        >>> cat, dog = prior.predict(z, prior.schedule(0.5), conditions)
        >>> cat.z0.shape, prior.evaluations
        (torch.Size([1, 8, 16, 16]), 2)
    """

    def __init__(
        self,
        family: Family,
        codec: Codec,
        *,
        name: str = "",
        revision: str = "",
        owned: bool = False,
        reload: Callable[[], dict[str, Any]] | None = None,
        preview: Codec | None = None,
    ) -> None:
        self.family = family
        self.codec = codec
        self.name = name
        self.revision = revision
        self.evaluations = 0
        self.target: Target = family.target
        self.grid: int | None = None
        self.added: dict[str, Any] = {}
        self._owned = owned
        self._reload = reload
        self._small = preview
        self._conditions: dict[str, TextCondition] = {}
        self._places: dict[int, tuple[_Place, _Place]] = {}
        self._stack, self._watch = Stack(), Watch()

    def __repr__(self) -> str:
        dtype, kind = str(self.dtype).removeprefix("torch."), type(self.family).__name__
        return f"{kind}({self.name!r}, revision={self.revision!r}, {dtype}, {self.device})"

    @property
    def network(self) -> Any:
        """The denoiser."""
        return self.family.network

    @property
    def vae(self) -> Any:
        """The autoencoder's module."""
        return self.codec.vae

    @property
    def schedule(self) -> Schedule:
        """The forward process that the network was trained on, at the levels that it knows."""
        whole = self.family.schedule
        return whole if self.grid is None else FewLevels(whole, self.grid)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent; 4 for Stable Diffusion 1.x, 2.x and XL, 16 for most others."""
        return self.family.latent_channels

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side; 8 for Stable Diffusion, 32 for Sana."""
        return self.codec.factor

    @property
    def multiple(self) -> int:
        """Pixels that the network divides without a remainder; 64 for Stable Diffusion 1.5."""
        return self.factor * self.family.cells

    @property
    def native_size(self) -> int:
        """Side of the pictures that the network knows best, in pixels."""
        return self.factor * self.family.native_cells

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._place(self.network)[0]

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in; latents are float32 all the same."""
        return self._place(self.network)[1]

    def condition(self, prompt: str | None) -> TextCondition:
        """What the network is told for a prompt; None and "" are the null prompt.

        Warns:
            PromptTruncated: the prompt is too long for the encoder; names the lost words.
        """
        words = prompt or ""
        if self._owned and words in self._conditions:
            return self._conditions[words]
        if not self.family.encoders and self._reload is not None:
            self.family.encoders.update(self._reload())
        read, tokens = self.family.read(words)
        if tokens.lost:
            warnings.warn(
                f"the prompt is longer than the {tokens.room} tokens that this model reads, so its "
                f"end is ignored: {tokens.lost!r}",
                PromptTruncated,
                stacklevel=2,
            )
        made = read.to(self.device, self.dtype)
        if self.family.guidance == "told":
            made = replace(made, told=self.family.default_scale)
        if self._owned and not tokens.lost:  # a prompt that was cut warns every time
            self._conditions[words] = made
            if len(self._conditions) > _REMEMBERED:
                del self._conditions[next(iter(self._conditions))]
        return made

    def guided(
        self, condition: TextCondition, null: TextCondition, scale: Weight
    ) -> list[tuple[TextCondition, Weight]]:
        """The conditions, with their weights, by which this model is guided by so much.

            free:  (1 - w) null + w condition
            told:  condition, the network being told w; against a negative prompt as free
            baked: condition, and w must be 1; against a negative prompt as free

        One meaning of w everywhere: 1 is the prompt alone, more is more of it.

        Args:
            condition: the prompt's.
            null: the negative or null prompt's.
            scale: w, diffusers' guidance_scale.

        Raises:
            ModelError: guidance away from nothing, of a network with guidance baked in; a scale
                that changes with the level, of a network that is told one.
        """
        if self.family.guidance == "free" or null.prompt:
            return [(null, lambda level: 1 - weigh(scale, level)), (condition, scale)]
        if callable(scale):
            raise ModelError(
                f"{self.name or 'this model'} was distilled to one guidance scale for a whole run, "
                "so it cannot change with the level: pass a number"
            )
        if self.family.guidance == "told":
            return [(replace(condition, told=scale), 1.0)]
        if scale != 1:
            raise ModelError(
                f"{self.name or 'this model'} was distilled with its guidance baked in and never "
                f"saw the null prompt, so guidance_scale {scale:g} means nothing to it: pass "
                "guidance_scale 1, or a negative prompt to be guided away from"
            )
        return [(condition, 1.0)]

    def usual_scale(self, scale: float) -> float:
        """The guidance scale to take where nobody asked for one: the model's, if it has its own.

        Args:
            scale: what the task would take.
        """
        return scale if self.family.guidance == "free" else self.family.default_scale

    @property
    def inpaints(self) -> bool:
        """Whether the network is shown what is known beside the latent (9 channels)."""
        return getattr(self.network.config, "in_channels", 0) == 2 * self.latent_channels + 1

    def under(self, condition: TextCondition, x: Image, mask: Tensor) -> TextCondition:
        """A condition of an inpainting network (9 channels) that also shows what is known.

        Args:
            condition: the prompt's.
            x: the picture, (b, 3, h, w) in [-1, 1].
            mask: (b, 1, h, w) in [0, 1]; white is to be painted.

        Raises:
            ModelError: a network without channels for it.
        """
        if not self.inpaints:
            raise ModelError(
                f"{self.name or 'this model'} has no inpainting network: use the task's own mask"
            )
        known = self.encode(x * (mask < 0.5).to(x))
        cells = torch.nn.functional.interpolate(mask.to(known), size=known.shape[2:])
        return replace(condition, beside=torch.cat([cells, known], dim=1))

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[TextCondition]
    ) -> list[Estimate]:
        """Estimates under several conditions, in one batched forward of the network.

        Args:
            z: one latent batch that every condition is asked about, or one batch per condition.
            level: the level of all of them.
            conditions: what to ask under; each serves its whole batch.

        Raises:
            NetworkError: the network answered with NaN or infinity; on CUDA that is found by the
                next call of this prior, so as not to wait for the device (`Watch`).
            ValueError: another number of latent batches than of conditions, or latents of another
                shape than the model's.
            MemoryError: the picture is too large.
        """
        zs = [z] * len(conditions) if isinstance(z, Tensor) else list(z)
        if len(zs) != len(conditions):
            raise ValueError(f"{len(zs)} latent batches came for {len(conditions)} conditions")
        if not zs:
            return []
        self._check_latents(zs)
        zs = [_at_least_float32(each) for each in zs]
        rows = [len(each) for each in zs]
        self._release()
        where, dtype = self._place(self.network)
        rates = level
        if self.target == "flow" and (whole := level.alpha + level.sigma) != 1:
            zs = [each / whole for each in zs]
            rates = Level(level.t, level.alpha / whole, level.sigma / whole)
        asked = torch.cat(zs) if len(zs) > 1 else zs[0]
        shown = asked.to(where, dtype)
        with self._running(self.network, shown):
            output = self.family.ask(shown, rates, self._stack(conditions, rows, where, dtype))
        self.evaluations += len(shown)
        what = f"the {type(self.network).__name__} at t {level.t:.4g}, sigma {level.sigma:.4g}"
        self._watch.see(output, shown, what, dtype)
        every = to_estimate(output.to(asked), asked, rates, self.target)
        pairs = zip(every.z0.split(rows), every.eps.split(rows), strict=True)
        return [Estimate(z0, eps) for z0, eps in pairs]

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
        with self._running(self.vae, x):
            z = self.codec.encode(x)
        self._watch.see(z, x, "the autoencoder's encoder", self.codec.place[1])
        self._watch.settle()
        return z

    def decode(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1], not clamped.

            x = D(z / scale + shift)

        Raises:
            NetworkError: the autoencoder answered with NaN or infinity.
        """
        z = _at_least_float32(z)
        with self._running(self.vae, z):
            x = self.codec.decode(z)
        self._watch.see(x, z, "the autoencoder's decoder", self.codec.place[1])
        self._watch.settle()
        return x

    def preview(self, z: Latent) -> Image:
        """What a clean latent looks like, by the small autoencoder if there is one."""
        if self._small is None:
            return self.decode(z)
        with torch.no_grad():
            return self._small.decode(_at_least_float32(z))

    def _release(self) -> None:
        """Text encoders that can be read again leave the memory once the network is asked."""
        if self._reload is not None and self.family.encoders:
            self.family.encoders.clear()

    def _check_latents(self, zs: Sequence[Latent]) -> None:
        cells = self.family.cells
        unet = hasattr(self.network.config, "block_out_channels")  # copes with odd sides
        for each in zs:
            if each.ndim != 4 or each.shape[1] != self.latent_channels:
                raise ValueError(
                    f"a latent is {tuple(each.shape)}, but {self.name or 'this model'} has latents "
                    f"of (b, {self.latent_channels}, h, w): take them from encode"
                )
            if not unet and (each.shape[2] % cells or each.shape[3] % cells):
                raise ValueError(
                    f"a latent is {tuple(each.shape)}, but its sides must be multiples of {cells}: "
                    f"pad the picture to multiples of {self.multiple} pixels"
                )

    def _place(self, module: Any) -> _Place:
        """Where and in what a module computes; looked up anew when its first weight has moved.

        Its own properties walk through all submodules: 8 ms for Stable Diffusion 1.5.
        """
        first = next(module.parameters())
        step = (first.device, first.dtype)
        seen = self._places.get(id(module))
        if seen is None or seen[0] != step:
            seen = self._places[id(module)] = (step, (place_of(module), module.dtype))
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
                "smaller picture or fewer at a time, or load the model in half precision, with "
                "offload or with tiling (`dreamsampler plan` says what each would take)"
            ) from None
        finally:
            for parameter in live:
                parameter.requires_grad_(True)


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
