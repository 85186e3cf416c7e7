"""What a prior needs of ComfyUI's engine: one evaluation, its noise levels, gradients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.maths import RectifiedFlow, Schedule, VariancePreserving
from dreamsampler.models.errors import ModelError


@final
class OneEvaluation:
    """A sampler of ComfyUI that asks the model once, for several conditions.

    Args:
        x: the noisy latent in ComfyUI's scale, with its graph.
        names: of the guider's conditions.
        calculate: `comfy.samplers.calc_cond_batch`.
        follows: whether gradients pass.

    Attributes:
        found: a clean estimate for each condition.
    """

    def __init__(
        self, x: Tensor, names: Sequence[str], calculate: Callable[..., Any], follows: bool
    ) -> None:
        self.x, self._names, self._calculate, self._follows = x, names, calculate, follows
        self.found: list[Tensor] = []

    def sample(
        self,
        guider: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any = None,
        noise: Any = None,
        latent_image: Any = None,
        denoise_mask: Any = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        """The call of ComfyUI's samplers."""
        del callback, noise, latent_image, denoise_mask, disable_pbar
        device = guider.model_patcher.load_device
        # the model, ControlNets and what else was loaded
        loaded = (each.model for each in guider.loaded_models)
        followed = differentiable(guider.inner_model, *loaded) if self._follows else nullcontext()
        with (
            torch.inference_mode(not self._follows),
            torch.set_grad_enabled(self._follows),
            followed,
        ):
            x = self.x.to(device, torch.float32)
            noise = torch.full((len(x),), float(sigmas[0]), device=device)
            conditions = [guider.conds[name] for name in self._names]
            self.found = self._calculate(
                guider.inner_model, conditions, x, noise, extra_args["model_options"]
            )
        return x.detach()


@final
class DifferentiableAutoencoder:
    """An autoencoder whose weights autograd may save while it runs.

    Args:
        model: the network, with encode and decode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def encode(self, x: Tensor) -> Tensor:
        """Pictures to latents."""
        with differentiable(self.model):
            return self.model.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """Latents to pictures."""
        with differentiable(self.model):
            return self.model.decode(z)


@contextmanager
def differentiable(*networks: nn.Module) -> Iterator[None]:
    """Inside, gradients pass through networks that were loaded in inference mode.

    Autograd refuses to save tensors of inference mode. Each weight is replaced by another view of
    the same memory, frozen, and comes back at the end: the same objects as before.
    """
    tables: list[dict[str, Any]] = [
        table
        for network in networks
        for part in network.modules()
        for table in (part._parameters, part._buffers)
    ]
    before = [
        (table, name, weight)
        for table in tables
        for name, weight in table.items()
        if type(weight) in (Tensor, nn.Parameter)
        and (weight.is_inference() or weight.requires_grad)
    ]
    try:
        for table, name, weight in before:
            view = torch.empty(0, dtype=weight.dtype, device=weight.device)
            storage = weight.untyped_storage()
            table[name] = view.set_(  # type: ignore[call-overload]  # of a storage
                storage, weight.storage_offset(), weight.shape, weight.stride()
            )
        yield
    finally:
        for table, name, weight in before:
            table[name] = weight


def is_flow(sampling: Any, name: str) -> bool:
    """Whether a model's noisy latents are (1 - s) z0 + s eps; else they are z0 + s eps.

    Args:
        sampling: its `model_sampling`.
    """
    one, s = torch.ones(1, 1, 1, 1), torch.tensor([0.25])
    rates = [float(sampling.noise_scaling(s, a * one, (1 - a) * one)) for a in (0, 1)]
    near, far = (float(sampling.calculate_input(k * s, one)) for k in (1, 16))
    if rates == [0.75, 0.25]:
        return True
    if rates == [1.0, 0.25] and far < near:  # the network sees about one variance
        return False
    raise ModelError(f"{name} does not denoise a noisy latent: take a text-to-image model")


def schedule_of(sampling: Any, flow: bool, name: str) -> Schedule:
    """The table of a model's noise levels as a schedule, even in the table's index.

        z0 + s eps:             alpha^2 = 1 / (1 + s^2)
        (1 - s) z0 + s eps:     s = shift t / (1 + (shift - 1) t)

    Args:
        sampling: its `model_sampling`.
        flow: from `is_flow`.
    """
    table = sampling.sigmas.double()
    if not flow:
        return VariancePreserving(tuple(1 / (1 + s * s) for s in sorted(set(table.tolist()))))
    t = torch.arange(1, len(table) + 1, dtype=torch.float64) / len(table)
    s, middle = table.cpu(), len(table) // 2
    shift = float(s[middle] * (1 - t[middle]) / (t[middle] * (1 - s[middle])))
    if not torch.allclose(s, shift * t / (1 + (shift - 1) * t), atol=1e-4):
        raise ModelError(
            f"{name} has noise levels that no shift of a flow gives: reset its sampling"
        )
    return RectifiedFlow(round(shift, 5))


def digest(conditioning: Sequence[Any]) -> str:
    """The hash of the tensors of CONDITIONING, in hexadecimal."""
    found = hashlib.sha256()
    for tensor in (each for each, _ in conditioning if each is not None):
        found.update(tensor.detach().float().cpu().numpy().tobytes())
    return found.hexdigest()
