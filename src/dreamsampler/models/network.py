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
)
from dreamsampler.models.codec import Codec
from dreamsampler.models.device import choose_device, choose_dtype, device_of, move
from dreamsampler.models.errors import ModelError, PromptTruncated
from dreamsampler.models.family import Family, TextCondition
from dreamsampler.models.finite import FiniteCheck
from dreamsampler.models.libraries import quiet
from dreamsampler.models.words import warn_unknown

_CACHED_PROMPTS = 64
_Placement: TypeAlias = tuple[torch.device, torch.dtype]


@final
class NetworkPrior:
    """The prior inside a diffusers pipeline: its networks, none of its samplers.

        output = network(z, level, text);   (z0, eps) solve the output's equation

    The very modules are kept, neither copied nor changed, so what is loaded into them later (a
    LoRA, say) counts. They act as frozen: gradients pass through to the latents and pictures, and
    never into the weights, whose requires_grad is as before after each call.

    A level of a variance-preserving schedule is translated for a flow network: it sees
    z / (alpha + sigma) at u = sigma / (alpha + sigma), and nothing else changes.

    Args:
        family: encodes prompts and calls the network.
        name: of the model; goes into recipes.
        revision: its version; goes into recipes.
        owned: nobody else changes the networks, and their weights require no gradients; so the
            embeddings of the last prompts are kept, and no weight is checked in a step.
        reload: loads released text encoders again; None keeps them forever.

    Attributes:
        evaluations: images times conditions that went through the network so far; a task takes
            the difference of two readings.
        grid: n, if a distilled network was trained at the times i/n only (`few_steps`).
        added: the LoRAs and learned words in it, for recipes.
        small: a small autoencoder of the same latents, for previews; None for its own.
        words: that it was trained on, if they are known; others are named in a warning.

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
    ) -> None:
        self.family, self.codec, self.evaluations = family, codec, 0
        self.name, self.revision = name, revision
        self.target: Target = family.target
        self.grid: int | None = None
        self.added: dict[str, Any] = {}
        self.words: frozenset[str] = frozenset()
        self.small: Codec | None = None
        self._owned, self._reload = owned, reload
        self._conditions: dict[str, TextCondition] = {}
        self._finite, self._placements = FiniteCheck(), dict[int, tuple[_Placement, _Placement]]()

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
        """The forward process of the network, at the levels that it was trained at."""
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
        """Side of the pictures that the network was trained on, in pixels."""
        return self.factor * self.family.native_cells

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._placement(self.network)[0]

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in; latents are float32 all the same."""
        return self._placement(self.network)[1]

    def to(
        self,
        *where: str | torch.device | torch.dtype,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> NetworkPrior:
        """Move the networks to a device and a precision, in place, as `Module.to` does.

        Networks that it shares with a pipeline (`from_pipe`) are moved, too.

        Args:
            where: a device, a dtype, or both.
            device: the same by name; None leaves it.
            dtype: float32, float16 or bfloat16; None leaves it.

        Raises:
            ModelError: no such device, float16 on a CPU, or networks that are offloaded.

        Example:
            >>> from dreamsampler import from_pretrained
            >>> from_pretrained(device="cpu").to(torch.bfloat16).dtype
            torch.bfloat16
        """
        for each in where:
            device, dtype = (device, each) if isinstance(each, torch.dtype) else (each, dtype)
        target = self.device if device is None else choose_device(device)
        kind = self.dtype if dtype is None else choose_dtype(dtype, target)
        if self.dtype == torch.float16:
            kind = choose_dtype(kind, target)  # float16 does not go to a CPU
        parts: list[Any] = [self.network, self.vae, *self.family.encoders.values()]
        parts += [] if self.small is None else [self.small.vae]
        if any(hasattr(module, "_hf_hook") for part in parts for module in part.modules()):
            raise ModelError("offloading moves these networks to their device: leave them there")
        with quiet():
            move(parts, target, kind)
        self._conditions.clear()  # they are on the old device
        return self

    def condition(self, prompt: str | None, **call: Any) -> Any:
        """A prompt, encoded; None and "" are the null prompt.

        Args:
            call: further arguments of the pipeline's call under this prompt (`from_pipe`).

        Warns:
            PromptTruncated: the prompt is too long for the encoder; names the lost words.
            UserWarning: words that a small model was not trained on.

        Raises:
            ModelError: an argument that the model does not have.
        """
        words = prompt or ""
        if self.words:
            warn_unknown(self.name, words, self.words)
        if self._owned and words in self._conditions and not call:
            return self._conditions[words]
        if not self.family.encoders and self._reload is not None:
            self.family.encoders.update(self._reload())
        encoded, tokens = self.family.encode_prompt(words, **call)
        truncated = "" if tokens is None else tokens.truncated
        if tokens is not None and truncated:
            warnings.warn(
                f"the prompt is longer than the {tokens.limit} tokens that this model reads, so "
                f"its end is ignored: {truncated!r}",
                PromptTruncated,
                stacklevel=2,
            )
        made = encoded.to(self.device, self.dtype)
        if self.family.guidance == "embedded":
            made = replace(made, guidance_scale=self.family.default_scale)
        if self._owned and not truncated and not call:  # a cut prompt warns every time
            self._conditions[words] = made
            if len(self._conditions) > _CACHED_PROMPTS:
                del self._conditions[next(iter(self._conditions))]
        return made

    @property
    def references(self) -> bool:
        """Whether a condition can hold reference pictures: `condition(prompt, image=x)`."""
        return self.family.references

    @property
    def controls(self) -> dict[str, Any]:
        """Pictures of what lies where (edges, depth, ...): argument of its call -> picture."""
        return self.family.controls

    def guided(
        self, condition: TextCondition, null: TextCondition, scale: Weight
    ) -> list[tuple[TextCondition, Weight]]:
        """The conditions and weights of guidance by w; 1 is the prompt alone.

            cfg:       (1 - w) null + w condition
            embedded:  condition, w being an input; against a negative prompt as cfg
            distilled: condition, and w must be 1; against a negative prompt as cfg

        Raises:
            ModelError: w other than 1 without a negative prompt, of a network with distilled
                guidance; a scale that changes with the level, of one with an embedded scale.
        """
        return self.family.guided(self.name or "this model", condition, null, scale)

    def usual_scale(self, scale: float) -> float:
        """The guidance scale by default: the model's, if it has its own, else this."""
        return scale if self.family.guidance == "cfg" else self.family.default_scale

    @property
    def inpaints(self) -> bool:
        """Whether it is an inpainting network (9 channels)."""
        return self.family.inpaints

    def inpainting_condition(
        self, condition: TextCondition, x: Image, mask: Tensor
    ) -> TextCondition:
        """As `Inpainting.inpainting_condition`; ModelError if the network takes none."""
        if not self.inpaints:
            raise ModelError(
                f"{self.name or 'this model'} has no inpainting network: use the task's own mask"
            )
        if isinstance(condition, TextCondition):
            known = self.encode(x * (mask < 0.5).to(x))
            cells = torch.nn.functional.interpolate(mask.to(known), size=known.shape[2:])
            return replace(condition, extra_channels=torch.cat([cells, known], dim=1))
        return self.family.inpainting_condition(condition, x, mask)

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[TextCondition]
    ) -> list[Estimate]:
        """Estimates under several conditions, in one batched forward of the network.

        See `Prior.predict`.

        Raises:
            NetworkError: the output is NaN or infinity; on CUDA that is found by the next call of
                this prior, so as not to wait for the device (`FiniteCheck`).
            ValueError: another number of latent batches than of conditions, or latents of another
                shape than the model's.
            MemoryError: the picture is too large.
        """
        zs = [z] * len(conditions) if isinstance(z, Tensor) else list(z)
        if len(zs) != len(conditions):
            raise ValueError(f"{len(zs)} latent batches came for {len(conditions)} conditions")
        if not zs:
            return []
        for each in zs:
            self.family.check_latent(each, self.name or "this model", self.multiple)
        zs = [_at_least_float32(each) for each in zs]
        rows = [len(each) for each in zs]
        if self._reload is not None:  # the text encoders leave the memory until the next prompt
            self.family.encoders.clear()
        device, dtype = self._placement(self.network)
        rates = level
        if self.target == "flow" and (total := level.alpha + level.sigma) != 1:
            zs = [each / total for each in zs]
            rates = Level(level.t, level.alpha / total, level.sigma / total)
        latents = torch.cat(zs) if len(zs) > 1 else zs[0]
        inputs = latents if self.family.casts else latents.to(device, dtype)
        with self._running(self.network, inputs):
            text = self.family.batch(conditions, rows, device, dtype)
            output = self.family.forward(inputs, rates, text)
        self.evaluations += len(inputs) * self.family.rows
        name = f"the {type(self.network).__name__} at t {level.t:.4g}, sigma {level.sigma:.4g}"
        self._finite.add(output, inputs, name, dtype)
        every = to_estimate(output.to(latents), latents, rates, self.target)
        pairs = zip(every.z0.split(rows), every.eps.split(rows), strict=True)
        return [Estimate(z0, eps) for z0, eps in pairs]

    def encode(self, x: Image) -> Latent:
        """Picture in [-1, 1] to latent: the mode of the posterior, shifted and scaled.

            z = (mode(E(x)) - shift) scale

        Raises:
            ValueError: height or width is no multiple of `factor`.
            NetworkError: the output is NaN or infinity.
        """
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % self.factor or x.shape[3] % self.factor:
            raise ValueError(
                f"a picture is {tuple(x.shape)}, but must be (b, 3, h, w) with h and w multiples "
                f"of {self.factor}: pad it (best to multiples of {self.multiple})"
            )
        return self._code(self.codec.encode, x, "the autoencoder's encoder")

    def decode(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1], not clamped.

            x = D(z / scale + shift)

        Raises:
            NetworkError: the output is NaN or infinity.
        """
        return self._code(self.codec.decode, z, "the autoencoder's decoder")

    def preview(self, z: Latent) -> Image:
        """A clean latent as a picture, by the small autoencoder if there is one."""
        if self.small is None:
            return self.decode(z)
        with torch.no_grad():
            return self.small.decode(_at_least_float32(z))

    def _code(self, run: Callable[[Tensor], Tensor], given: Tensor, name: str) -> Tensor:
        given = _at_least_float32(given)
        with self._running(self.vae, given):
            output = run(given)
        self._finite.add(output, given, name, self.codec.dtype)
        self._finite.flush()
        return output

    def _placement(self, module: Any) -> _Placement:
        """Device and dtype of a module; read anew when its first weight has moved.

        Its own properties visit all submodules: 8 ms for Stable Diffusion 1.5.
        """
        first = next(module.parameters())
        key = (first.device, first.dtype)
        known = self._placements.get(id(module))
        if known is None or known[0] != key:
            known = self._placements[id(module)] = (key, (device_of(module), module.dtype))
        return known[1]

    @contextlib.contextmanager
    def _running(self, module: nn.Module, inputs: Tensor) -> Iterator[None]:
        """Inside, no gradient reaches a module's weights, and lack of memory is one line."""
        frozen: list[nn.Parameter] = []
        if torch.is_grad_enabled() and not self._owned:
            frozen = [p for p in module.parameters() if p.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        except RuntimeError as error:
            memory = isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
            if not memory:
                raise
            raise MemoryError(
                f"{type(module).__name__} ran out of memory on {tuple(inputs.shape)}: take a "
                "smaller picture or fewer at a time, or load the model in half precision, with "
                "offload or with tiling (`dreamsampler plan` says what each would take)"
            ) from None
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
