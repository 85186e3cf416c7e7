"""ComfyUI's MODEL, VAE and CONDITIONING as a prior: its sampler evaluates, it keeps the weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.files import one_line
from dreamsampler.interfaces.comfyui.engine import (
    DifferentiableAutoencoder,
    OneEvaluation,
    digest,
    is_flow,
    schedule_of,
)
from dreamsampler.interfaces.comfyui.host import comfy_module
from dreamsampler.maths import Estimate, Image, Latent, Level, Schedule, Weight, weigh
from dreamsampler.models.errors import ModelError
from dreamsampler.models.finite import FiniteCheck

NEGATIVE = "CONDITIONING negative"
"""The null prompt's name; as prompts, such names stand for what was connected."""
GUIDANCE = (
    "sampler_cfg_function",
    "sampler_pre_cfg_function",
    "sampler_post_cfg_function",
    "sampler_calc_cond_batch_function",
    "denoise_mask_function",
)
"""Options of a MODEL that change guidance or the sampler's mask: parts of another loop."""
WRAPPERS = ("outer_sample", "sampler_sample", "predict_noise")
"""Kinds of wrappers around a whole run of a sampler, such as those of caches, and guidance."""
IN_COMFYUI = "weights and CONDITIONING of a ComfyUI workflow, which a recipe cannot rebuild"


@final
@dataclass(frozen=True, eq=False)
class Conditioned:
    """CONDITIONING by its name, with values that are set in each of its entries.

    Args:
        name: such as "CONDITIONING positive".
        values: option of an entry -> value.
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wire(self) -> str:
        """The name of the input, such as "positive"."""
        return self.name.split()[-1]


@final
class ComfyPrior:
    """The prior of a MODEL and a VAE that ComfyUI has loaded, under CONDITIONING.

        z = alpha z0 + sigma eps,   x = z / alpha,            D = MODEL(x, sigma / alpha)
        flow networks:              x = z / (alpha + sigma),  D = MODEL(x, sigma / (alpha + sigma))
        z0 = D;   eps = (z - alpha z0) / sigma

    Each evaluation is a run of ComfyUI's own guider (`comfy.samplers.CFGGuider`) whose sampler asks
    once for the clean estimates of all conditions. So LoRAs, patches, ControlNets, regions, hooks
    and attention backends count, and ComfyUI's memory manager loads and keeps the weights: nothing
    is copied or moved here.

    Args:
        model: a MODEL (`ModelPatcher`) of an image model with latents.
        vae: the VAE of its latents.
        conditions: "positive", "negative", "source" -> CONDITIONING; the negative one stands for
            the null prompt.

    Attributes:
        evaluations: images times conditions that went through the network so far.
        added: what recipes say of it.

    Raises:
        ModelError: a model of videos, audio or pixels, a VAE of other latents, a MODEL whose
            guidance was changed.
    """

    revision = ""

    def __init__(self, model: Any, vae: Any, conditions: Mapping[str, Any]) -> None:
        self._patcher, self._vae, self._wired = model, vae, dict(conditions)
        self._network: Any = getattr(model, "model", None)
        if not callable(getattr(self._network, "apply_model", None)) or not conditions:
            raise ModelError(f"model is a {type(model).__name__}, but must be a MODEL of ComfyUI")
        self._sampling: Any = model.get_model_object("model_sampling")
        self._format: Any = copy.copy(model.get_model_object("latent_format"))
        for name, value in vars(self._format).items():
            if isinstance(value, Tensor):  # a few numbers of inference mode, which stop gradients
                setattr(self._format, name, value.clone())
        self.name = f"MODEL {type(self._network).__name__}"
        self._frames = getattr(self._format, "latent_dimensions", 2) == 3
        self._check()
        self._flow = is_flow(self._sampling, self.name)
        self.schedule: Schedule = schedule_of(self._sampling, self._flow, self.name)
        self._known = {n: Conditioned(n) for n in (f"CONDITIONING {wire}" for wire in conditions)}
        self._finite, self._followed = FiniteCheck(), False
        self.evaluations = 0
        self.added: dict[str, Any] = {
            "comfyui": IN_COMFYUI,
            "patches": len(model.patches),
            "conditioning": {wire: digest(each) for wire, each in conditions.items()},
        }

    def _check(self) -> None:
        """Refuse what the loop cannot run; ModelError."""
        dimensions = getattr(self._format, "latent_dimensions", 2)
        if dimensions == 1 or (self._frames and type(self._network).__name__ != "QwenImage"):
            raise ModelError(
                f"{self.name} makes no pictures (but video, audio or shapes): take an image model"
            )
        vae = self._vae
        if getattr(vae, "first_stage_model", None) is None:
            raise ModelError("the VAE has no weights: connect one from a VAE Loader")
        channels = self.latent_channels
        if vae.latent_channels != channels:
            raise ModelError(
                f"the VAE has latents of {vae.latent_channels} channels, {self.name} of {channels}"
                ": connect the VAE that belongs to the model"
            )
        if self.factor == 1:
            raise ModelError(f"{self.name} works on pixels: take a model with latents")
        options = self._patcher.model_options
        changed = [name for name in GUIDANCE if options.get(name)]
        changed += [f"{kind} wrapper" for kind in WRAPPERS if self._patcher.wrappers.get(kind)]
        if changed:
            raise ModelError(
                f"this MODEL changes how a sampler runs ({', '.join(changed)}), which is the "
                "method's part here: connect the MODEL from before that node"
            )

    def __repr__(self) -> str:
        return f"ComfyPrior({self.name!r}, {', '.join(self._wired)})"

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return self._format.latent_channels

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side."""
        return int(self._vae.spacial_compression_encode())

    @property
    def multiple(self) -> int:
        """Two cells: ComfyUI's networks pad the rest themselves."""
        return 2 * self.factor

    @property
    def native_size(self) -> int:
        """512 for Stable Diffusion 1.x and 2.x, else 1024: ComfyUI does not record it."""
        config = self._network.model_config.unet_config
        old = config.get("context_dim") in (768, 1024) and config.get("adm_in_channels") is None
        return 512 if old else 1024

    @property
    def device(self) -> torch.device:
        """Where ComfyUI computes."""
        return self._patcher.load_device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored in."""
        return self._patcher.model_dtype()

    def condition(self, prompt: str | None) -> Conditioned:
        """The CONDITIONING of a name; None and "" are "negative"."""
        if (prompt or NEGATIVE) not in self._known:
            raise ModelError(
                f"prompt {prompt!r} is text, but a MODEL takes CONDITIONING: connect it, or take "
                "the DreamSampler Loader"
            )
        return self._known[prompt or NEGATIVE]

    def guided(
        self, condition: Conditioned, null: Conditioned, scale: Weight
    ) -> list[tuple[Conditioned, Weight]]:
        """Classifier-free guidance: (1 - w) negative + w positive."""
        return [(null, lambda level: 1 - weigh(scale, level)), (condition, scale)]

    def usual_scale(self, scale: float) -> float:
        """The task's guidance scale; 1 where the network takes the scale as an input (FLUX dev)."""
        return 1.0 if self._network.model_config.unet_config.get("guidance_embed") else scale

    @property
    def inpaints(self) -> bool:
        """Whether the network is also shown a mask and a picture without its holes."""
        noise = torch.zeros(1, self.latent_channels, 8, 8)
        shown = self._network.concat_cond(
            noise=noise, latent_image=noise, concat_latent_image=noise, device=noise.device
        )
        return shown is not None and shown.shape[1] > noise.shape[1]

    def inpainting_condition(self, condition: Conditioned, x: Image, mask: Tensor) -> Conditioned:
        """A condition with the known part of a picture, as of `InpaintModelConditioning`.

        Args:
            x: the picture, (b, 3, h, w) in [-1, 1].
            mask: (b, 1, h, w) in [0, 1]; white is to be painted.
        """
        known = self._format.process_out(self._with_frame(self.encode(x * (mask < 0.5).to(x))))
        values = {"concat_latent_image": known, "concat_mask": mask}
        return Conditioned(condition.name, {**values, "prompt_type": condition.wire})

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[Conditioned]
    ) -> list[Estimate]:
        """Clean estimates, and the noise that is left; see `Prior.predict`.

        Conditions of the same latent go through the network together, as far as memory allows.
        """
        zs = [z] * len(conditions) if isinstance(z, Tensor) else list(z)
        if len(zs) != len(conditions):
            raise ValueError(f"{len(zs)} latent batches came for {len(conditions)} conditions")
        made: dict[int, Estimate] = {}
        while rest := [i for i in range(len(zs)) if i not in made]:
            same = [i for i in rest if zs[i] is zs[rest[0]]]
            found = self._estimates(zs[rest[0]], level, [conditions[i] for i in same])
            made |= dict(zip(same, found, strict=True))
        return [made[i] for i in range(len(zs))]

    def _estimates(
        self, z: Latent, level: Level, conditions: Sequence[Conditioned]
    ) -> list[Estimate]:
        scale = level.alpha + level.sigma if self._flow else level.alpha
        x, noise = z / scale, level.flow if self._flow else level.s
        least = float(self._sampling.sigma_min)
        used = max(noise, least)  # below its table a network is asked at the table's end
        cleans = self._denoised(x, used, conditions)
        self.evaluations += len(z) * len(conditions)
        found: list[Estimate] = []
        for clean in cleans:
            self._finite.add(clean, z, f"{self.name} at t {level.t:.4g}", self.dtype)
            slope = (x - clean) / used  # eps, or eps - z0 of a flow
            z0 = clean if used == noise else x - noise * slope
            found.append(Estimate(z0, z0 + slope if self._flow else slope))
        return found

    def _denoised(self, x: Latent, noise: float, conditions: Sequence[Conditioned]) -> list[Tensor]:
        """What the MODEL answers, in one run of ComfyUI's guider with a sampler of one step."""
        samplers = comfy_module("comfy.samplers")
        guider, wired, names = samplers.CFGGuider(self._patcher), dict(self._wired), []
        for i, each in enumerate(conditions):
            names.append(f"{each.wire} {i}" if each.values else each.wire)
            entries = self._wired[each.wire]
            wired[names[-1]] = [[tensor, {**own, **each.values}] for tensor, own in entries]
        guider.inner_set_conds(wired)
        x = self._with_frame(x)
        follows = torch.is_grad_enabled() and x.requires_grad
        once = OneEvaluation(x, names, samplers.calc_cond_batch, follows)
        try:
            with torch.inference_mode():  # as nodes run, and as the weights were made
                latent, sigmas = torch.zeros_like(x), torch.tensor([noise, 0.0])
                guider.sample(x.detach(), latent, once, sigmas, disable_pbar=True, seed=0)
            if follows and not self._followed:  # some networks change tensors in place
                torch.autograd.grad(once.found[0].sum(), x, retain_graph=True)
                self._followed = True
        except RuntimeError as error:
            if not follows or isinstance(error, torch.OutOfMemoryError):
                raise
            raise ModelError(
                f"no gradients pass through {self.name} in ComfyUI ({one_line(error, 90)}): take a "
                "method without them, or start ComfyUI with --use-pytorch-cross-attention"
            ) from error
        return [self._without_frame(each.to(x).clone()) for each in once.found]

    def encode(self, x: Image) -> Latent:
        """Picture in [-1, 1] to latent: the VAE's mean, scaled by the latent format."""
        rows = x.split(1) if self._frames else [x]  # a VAE of frames takes a batch for a video
        raw = [self._coded("encode", (row.movedim(1, -1) + 1) / 2) for row in rows]
        return self._without_frame(self._format.process_in(torch.cat(raw).to(x)))

    def decode(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1], not clamped."""
        made = self._coded("decode", self._format.process_out(self._with_frame(z)))
        return (made[:, 0] if self._frames else made).movedim(-1, 1).to(z)

    def _with_frame(self, z: Tensor) -> Tensor:
        return z[:, :, None] if self._frames else z

    def _without_frame(self, z: Tensor) -> Tensor:
        return z[:, :, 0] if self._frames else z

    def preview(self, z: Latent) -> Image:
        """The colors of the latent's cells by ComfyUI's linear map; decoded without one."""
        factors = getattr(self._format, "latent_rgb_factors", None)
        if factors is None:
            return self.decode(z)
        rgb = torch.tensor(factors).to(z)
        bias = torch.tensor(getattr(self._format, "latent_rgb_factors_bias", None) or [0.0] * 3)
        colors = functional.linear(z.movedim(1, -1), rgb.T, bias.to(z)).movedim(-1, 1)
        return functional.interpolate(colors, scale_factor=float(self.factor))

    def _coded(self, way: str, given: Tensor) -> Tensor:
        """Through the VAE's own encode or decode, with gradients where they are on."""
        vae = copy.copy(self._vae)  # the object, not the weights: its output is not clamped here
        low, high = (float(vae.process_output(torch.tensor(raw))) for raw in (0.0, 0.5))
        vae.process_output = lambda raw: 4 * (high - low) * raw + (2 * low - 1)
        if not (torch.is_grad_enabled() and given.requires_grad):
            with torch.inference_mode():
                found = getattr(vae, way)(given)
            return found.clone()  # no tensor of inference mode
        vae.first_stage_model = DifferentiableAutoencoder(vae.first_stage_model)
        with torch.inference_mode():  # loaded as its nodes do; below it finds it loaded
            shape = (given if way == "decode" else self._with_frame(given.movedim(-1, 1))).shape
            needed = getattr(vae, f"memory_used_{way}")(shape, vae.vae_dtype)
            management = comfy_module("comfy.model_management")
            management.load_models_gpu([vae.patcher], memory_required=needed)
        return getattr(vae, way)(given)
