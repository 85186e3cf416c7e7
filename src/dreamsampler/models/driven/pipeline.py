"""A diffusers pipeline and the arguments of its call: what we set, what the user may."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from dreamsampler.files import one_line
from dreamsampler.models.driven.arguments import (
    ALWAYS,
    GUIDANCE,
    GUIDERS,
    check_call,
    parameters_of,
)
from dreamsampler.models.driven.call import LoopError, OpenCall, StandIn, memoized
from dreamsampler.models.errors import ModelError

_DENOISERS = ("unet", "transformer", "prior", "decoder", "dit")
_AUTOENCODERS = ("vae", "movq", "vqgan")
_EMPTY = inspect.Parameter.empty
_ENCODES = re.compile("text_encoder|tokenizer").match
PROBED = 256
"""Side of the pictures of calls with a stubbed network, in pixels."""
FAILURES = (LookupError, ValueError, TypeError, AttributeError, AssertionError, RuntimeError)
"""What a pipeline's own code may raise."""


@final
class _Decoded(Exception):
    """Carries what the autoencoder would decode."""

    def __init__(self, code: Tensor) -> None:
        super().__init__()
        self.code = code


@final
class Pipeline:
    """A pipeline whose calls we open.

    Args:
        pipe: any diffusers pipeline whose loop calls `scheduler.step`.
        call: arguments of its call that hold for every prompt.

    Attributes:
        denoiser: the name of its network.
        autoencoder: the name of its autoencoder, or None for a model of pixels.
        settings: arguments that are learned (what turns its own guidance off).
        needs_reference: whether its call fails without a reference picture.
        stubbed: whether a call opens with its network's answers stubbed.

    Raises:
        ModelError: an argument that the call does not have, or that a task sets.
    """

    def __init__(self, pipe: Any, call: Mapping[str, Any]) -> None:
        self.pipe, self.call, self.name = pipe, dict(call), type(pipe).__name__
        self.parameters = parameters_of(type(pipe))
        self.settings: dict[str, Any] = {}
        self.needs_reference, self.stubbed = False, True
        self.known: list[tuple[Any, Any]] = []
        self.spare: dict[Any, Any] = {}
        self.check(self.call)
        if getattr(pipe, "scheduler", None) is None:
            raise self.refused("it has no scheduler")
        found = [name for name in _DENOISERS if isinstance(self.part(name), nn.Module)]
        if not found:
            raise self.refused(f"it has none of {', '.join(_DENOISERS)}")
        self.denoiser = found[0]
        self.autoencoder = next((n for n in _AUTOENCODERS if self.part(n) is not None), None)
        lost = [n for n in _AUTOENCODERS if n in pipe.config and n != self.autoencoder]
        if self.autoencoder is None and lost:
            raise self.refused(f"its {lost[0]} is missing: load the pipeline with it")
        second = self.part("transformer_2") or self.part("unet_2")
        if second is not None:
            raise self.refused("it has two networks by noise level")

    def part(self, name: str) -> Any:
        """A component, or None."""
        return getattr(self.pipe, name, None)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """All its networks."""
        return {n: m for n, m in self.pipe.components.items() if isinstance(m, nn.Module)}

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The denoiser and what controls it."""
        return {n: m for n, m in self.modules.items() if n == self.denoiser or "controlnet" in n}

    def refused(self, why: str) -> ModelError:
        """The error of a pipeline that cannot be driven."""
        return ModelError(f"{self.name} cannot be used as a prior: {why}")

    def check(self, call: Mapping[str, Any]) -> None:
        """Raise ModelError for arguments that its call does not have, or that a task sets."""
        check_call(type(self.pipe), call)

    @property
    def guides_itself(self) -> bool:
        """Whether the call's own guidance is in use, because the user set its scale."""
        return any(name in self.call for name in GUIDANCE)

    @property
    def starts(self) -> bool:
        """Whether its call starts from a picture, which strength 1 leaves nothing of."""
        return "strength" in self.parameters or "mask_image" in self.parameters

    @property
    def controls(self) -> tuple[str, ...]:
        """Arguments that take pictures of what lies where: edges, depth, ..."""
        if "control_image" in self.parameters:
            return ("control_image",)
        controlled = any("control" in name or "adapter" in name for name in self.pipe.components)
        return ("image",) if controlled and not self.starts else ()

    @property
    def shown(self) -> bool:
        """Whether its call takes pictures that every step sees."""
        return "image" in self.parameters and not self.starts and "image" not in self.controls

    @property
    def references(self) -> bool:
        """Whether those are edited by the prompt, and neither enlarged nor varied."""
        return self.shown and "prompt" in self.parameters and "noise_level" not in self.parameters

    @property
    def probed(self) -> tuple[int, int] | None:
        """(height, width) of calls with a stubbed network; None if the size is fixed."""
        return (PROBED, PROBED) if "height" in self.parameters else None

    def default(self, name: str) -> Any:
        """The default of an argument."""
        value = self.parameters[name].default
        return None if value is _EMPTY else value

    def arguments(
        self,
        prompts: list[str],
        size: tuple[int, int] | None,
        steps: int,
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The arguments of a call for some prompts, one a row.

        Args:
            size: (height, width) in pixels; None for the pipeline's own.
        """
        count = len(prompts)
        off = dict.fromkeys(GUIDANCE, 1.0) | GUIDERS
        if self.guides_itself:
            off = {}
        ours: dict[str, Any] = {
            **off,
            **ALWAYS,
            "intermediate_timesteps": None,  # Sana Sprint's default is for two steps only
            "num_inference_steps": steps,
            "output_type": "pt",
            "guidance_schedule": None,  # in the place of the scale
            "generator": torch.Generator().manual_seed(0),
            "strength": 1.0,
        }
        if size is not None:
            ours |= {"height": size[0], "width": size[1]}
            ours |= {"_auto_resize": False, "use_resolution_binning": False}
            ours |= {"max_area": size[0] * size[1]}
        given = {**self.settings, **self.call, **(more or {})}
        if "prompt" in self.parameters and "prompt_embeds" not in given:
            ours["prompt"] = prompts[0] if count == 1 else prompts
        elif "batch_size" in self.parameters:
            ours["batch_size"] = count
        ours = {name: value for name, value in ours.items() if name in self.parameters}
        made = {**ours, **given}
        if self.starts or self.needs_reference:
            made |= self._pictures(size or (512, 512), made)
        return made

    def _pictures(self, size: tuple[int, int], given: Mapping[str, Any]) -> dict[str, Any]:
        """A gray picture and a mask of everything, where the call wants some."""
        from PIL import Image

        made = {}
        for name, color in (("image", "gray"), ("mask_image", "white")):
            if name in self.parameters and given.get(name) is None:
                made[name] = Image.new("RGB" if name == "image" else "L", (size[1], size[0]), color)
        return made

    def open(
        self,
        arguments: Mapping[str, Any],
        components: Mapping[str, Any] | None = None,
        record: list[Any] | None = None,
    ) -> OpenCall:
        """Open a call; until its first step the network's answers are zeros.

        Args:
            record: collects the inputs of the network, as (args, kwargs).

        Raises:
            ModelError: the call failed, or never came to a step.
        """
        lasting = {**self._memos(), **(components or {})}
        if hasattr(self.pipe, "default_sample_size") and "height" in arguments:
            # some loops scale what is asked for to the area of their own size
            area = arguments["height"] * arguments["width"]
            side = area**0.5 / getattr(self.pipe, "vae_scale_factor", 1) * (1 + 1e-12)
            lasting["default_sample_size"] = side
        for stubbed in (True, False):  # where zeros do not do, the network itself opens the call
            if stubbed and not self.stubbed:
                continue
            opening = self.stubs(record) if stubbed else {}
            with torch.random.fork_rng(devices=[]):
                try:
                    return OpenCall(self.pipe, arguments, lasting, opening)
                except LoopError as error:
                    raise self.refused(str(error)) from None
                except FAILURES as error:
                    if not stubbed:
                        raise self.refused(self._reason(error, arguments)) from error
        raise AssertionError("unreachable")

    def _reason(self, error: Exception, arguments: Mapping[str, Any]) -> str:
        """Why a call fails: components, arguments without a default, or pictures that it lacks."""
        lost = [n for n, part in self.pipe.components.items() if part is None and _ENCODES(n)]
        free = {n: p.default for n, p in self.parameters.items() if arguments.get(n) is None}
        if lost and "NoneType" in str(error):
            encoded = " and ".join(n for n in free if n.endswith("prompt_embeds"))
            return f"its {lost[0]} is missing: load the pipeline with it, or pass {encoded}"
        needed = ("image", "control_image")
        missing = [n for n, default in free.items() if default is _EMPTY or n in needed]
        return one_line(error) + (f" ({' and '.join(missing)} not given)" if missing else "")

    def _memos(self) -> dict[str, Any]:
        """What a call asks again and again: its prompts and pictures, encoded."""
        made: dict[str, Any] = {}
        if hasattr(self.pipe, "encode_prompt"):
            made["encode_prompt"] = memoized(self.known, self.pipe.encode_prompt)
        if self.autoencoder is not None:
            vae = self.part(self.autoencoder)
            encode = memoized(self.known, partial(_encoded, vae))
            made[self.autoencoder] = StandIn(vae, {"encode": encode})
        return made

    def stubs(self, record: list[Any] | None = None) -> dict[str, Any]:
        """Stand-ins: a network of zeros, and control networks that compute once."""

        def zeros(*args: Any, **kwargs: Any) -> Any:
            if record is not None:
                record.append((args, kwargs))
            return self._zeros(args, kwargs)

        made = {self.denoiser: StandIn(self.part(self.denoiser), {"__call__": zeros})}
        for name, module in self.networks.items():
            if name != self.denoiser:
                made[name] = StandIn(module, {"__call__": self._once(name, module)})
        return made

    def _once(self, name: str, module: nn.Module) -> Callable[..., Any]:
        """A network that computes once for every shape of its inputs."""

        def answer(*args: Any, **kwargs: Any) -> Any:
            tensors = [v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)]
            key = (name, *(tuple(v.shape) for v in tensors), tensors[0].dtype)
            if key not in self.spare:
                self.spare[key] = module(*args, **kwargs)
            return self.spare[key]

        return answer

    def _zeros(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """An output of the network's shape, all zeros."""
        names = ("hidden_states", "sample", "x", "latents", "img", "hidden_states_list")
        x = args[0] if args else next(kwargs[name] for name in names if name in kwargs)
        config = self.part(self.denoiser).config
        channels = config.get("out_channels")
        if isinstance(x, (list, tuple)):
            out: Any = _nested_zeros(x)
        elif x.ndim == 3:
            patch = config.get("patch_size") or 1
            patch = patch if isinstance(patch, int) else patch[-1]
            width = x.shape[2] if channels is None else channels * patch**2
            out = x.new_zeros(*x.shape[:2], width)
        else:
            out = x.new_zeros(len(x), channels or x.shape[1], *x.shape[2:])
        return (out,) if kwargs.get("return_dict") is False else _Output(out)

    def decoded(self, arguments: Mapping[str, Any], z: Tensor | None) -> Any:
        """What the autoencoder would decode, the loop ending with z; None for its first latents."""
        call = self.open(arguments)
        ends: Tensor = call.sample if z is None else z.to(call.sample)
        assert self.autoencoder is not None
        vae = self.part(self.autoencoder)

        def decode(code: Tensor, *_: Any, **__: Any) -> Any:
            raise _Decoded(code)

        stand_in = StandIn(vae, {"decode": decode})
        try:
            call.finish(ends, **{**self.stubs(), self.autoencoder: stand_in})
        except _Decoded as found:
            return found.code
        except LoopError as error:
            raise self.refused(one_line(error)) from error
        raise self.refused(f"it ends without its {self.autoencoder}")


def _nested_zeros(x: Any) -> Any:
    """Zeros for every row of a list; a row with references ends with its latents."""
    rows = [each if isinstance(each, Tensor) else each[-1] for each in x]
    return [torch.zeros_like(row) for row in rows]


def _encoded(vae: Any, *args: Any, **kwargs: Any) -> Any:
    """A picture, encoded: the mode, never a sample, so that a row does not depend on others."""
    output = vae.encode(*args, **kwargs)
    distribution = getattr(output, "latent_dist", None)
    if distribution is not None:
        distribution.sample = lambda generator=None: distribution.mode()
    return output


@final
class _Output(tuple):
    """A network's output, as a tuple and by name."""

    def __new__(cls, out: Any) -> _Output:
        return super().__new__(cls, (out,))

    sample = property(lambda self: self[0])
