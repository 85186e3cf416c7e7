"""One call of a diffusers pipeline, held open where its loop steps its scheduler."""

from __future__ import annotations

import copy
import functools
import inspect
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from dreamsampler.models.libraries import quiet

_MISSING: Any = object()
_CLOSE: Any = object()
_KEPT = 16
"""Answers that are kept."""
_ACTIVE = threading.local()
"""`call`: the open call of this thread."""


@final
class StandIn:
    """A component of a pipeline whose calls somebody else answers; all else is the component's.

    Args:
        answers: method name -> what is called in its place; "__call__" for the module itself.
    """

    def __init__(self, real: Any, answers: Mapping[str, Callable[..., Any]]) -> None:
        self.__dict__.update(_real=real, _answers=dict(answers))

    @property
    def __class__(self) -> Any:  # pipelines ask isinstance(self.controlnet, ...)
        return type(self._real)

    def __getattr__(self, name: str) -> Any:
        answers = self.__dict__["_answers"]
        return answers[name] if name in answers else getattr(self.__dict__["_real"], name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The stand-in's answer, or the component's."""
        return self._answers.get("__call__", self._real)(*args, **kwargs)


@final
class LoopError(Exception):
    """A pipeline's loop does not step as often as it has times."""


@final
class _Closed(BaseException):
    """Ends a call that nobody asks any more, in its thread."""


@final
class _Stepped(tuple):
    """What `scheduler.step` returns, as a tuple and by name."""

    prev_sample = property(lambda self: self[0])
    pred_original_sample = property(lambda self: self[0])


@final
class OpenCall:
    """A pipeline's call that waits in `scheduler.step` for the next noisy latents.

        ask(z, t): the loop goes on with z at time t, and gives what it passes to the next step
        finish(z): the loop ends with z, and gives what the pipeline returns

    The call runs in a thread of its own, so that it keeps its place; only one of the two threads
    runs at a time. Everything between two steps is the pipeline's own code. What the call sets on
    the pipeline (its guidance scale, say) is put away between the asks, so that several calls can
    be open and the user finds the pipeline as it was.

    Args:
        pipeline: a diffusers pipeline whose loop calls `scheduler.step`.
        components: name -> what takes the place of a component during this call.
        opening: the same, only until the first step.

    Attributes:
        steps: how many the loop took; of `length`.
        time: the one that is asked for; None at first and at the end.
        output: what the loop passed to its first step.
        sample: the noisy latents in the loop's layout, as the first step got them.
        read_ahead: whether the loop read other times than the current one.
    """

    def __init__(
        self,
        pipeline: Any,
        arguments: Mapping[str, Any],
        components: Mapping[str, Any] | None = None,
        opening: Mapping[str, Any] | None = None,
    ) -> None:
        self._pipeline, self._arguments = pipeline, dict(arguments)
        self.steps, self.length, self.read_ahead, self.ended = 0, 0, False, False
        self.time: Any = None
        self._sigmas, self._times = np.zeros(0), np.zeros(0)
        self._result: Any = None
        scheduler = self._scheduler(pipeline.scheduler)
        config = {**getattr(pipeline, "_progress_bar_config", {}), "disable": True}
        self._state: dict[str, Any] = {
            "scheduler": scheduler, "_progress_bar_config": config, **(components or {})
        }  # fmt: skip
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._call, daemon=True, name="open call")
        self._thread.start()
        with torch.no_grad(), quiet():
            paused = self._switch(opening or {})
        if self.ended:
            raise LoopError("its call ended without a step of its scheduler")
        self.output, self.sample = paused

    def ask(self, z: Tensor, time: Tensor, **components: Any) -> tuple[Tensor, Tensor]:
        """(model_output, sample) that the loop passes to its next step.

        Args:
            z: the noisy latents in the loop's layout.
            time: their time, as the scheduler counts.
            components: take the place of components, for this step.

        Raises:
            LoopError: the loop took no further step.
        """
        self.time = time
        paused = self._switch(components, z)
        if self.ended:
            raise LoopError("its loop ended before the last step")
        return paused

    def time_of(self, sigma: float, usual: float) -> float:
        """The time of a flow's noise level: the usual one, unless this call counts others.

        CogView 4's noise levels are shifted, and its times are not.

        Args:
            usual: a fixed number of times the noise level.
        """
        count = usual / sigma if sigma else 0.0
        if (
            not self._sigmas.size
            or np.abs(self._times - count * self._sigmas).max() <= 1e-3 * count
        ):
            return usual
        return float(np.interp(sigma, self._sigmas[::-1], self._times[::-1]))

    def finish(self, z: Tensor, **components: Any) -> Any:
        """What the pipeline returns, its loop ending with some latents."""
        self.time = None
        with torch.no_grad():
            for _ in range(max(self.length, 1)):  # a loop over indices goes to its end
                self._switch(components, z)
                if self.ended:
                    return self._result
        raise LoopError("its loop goes on after the last of its times")

    def close(self) -> None:
        """Leave the call where it stands."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._inbox.put(_CLOSE)
            self._thread.join()

    def _call(self) -> None:
        """The pipeline's call, in its thread."""
        _ACTIVE.call = self
        call = type(self._pipeline).__call__
        call = getattr(call, "__wrapped__", call)  # without the no_grad around it
        try:
            self._resume(self._inbox.get())
            self._result = call(self._pipeline, **self._arguments)
            self.ended = True
            self._outbox.put(None)
        except _Closed:
            pass
        except BaseException as error:
            self.ended = True
            self._outbox.put(error)

    def _resume(self, message: Any) -> Tensor | None:
        """In the call's thread: go on as the asking thread computes, with its latents."""
        if message is _CLOSE:
            raise _Closed
        z, restore = message
        restore()
        return z

    def _switch(self, components: Mapping[str, Any], z: Tensor | None = None) -> Any:
        """Let the pipeline run to its next step, with this call's state on it."""
        attributes = vars(self._pipeline)
        before = dict(attributes)
        attributes.update(self._state)
        attributes.update(components)
        entered = dict(attributes)
        try:
            self._inbox.put((z, _modes()))
            try:
                answer = self._outbox.get()
            except BaseException:  # Ctrl-C: the network's call ends first
                self._outbox.get()
                raise
        finally:
            for name in [*attributes]:
                if attributes[name] is not entered.get(name, _MISSING):
                    self._state[name] = attributes[name]
                if name not in before:
                    del attributes[name]
                else:
                    attributes[name] = before[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _scheduler(self, real: Any) -> Any:
        """A copy of the scheduler whose steps and times are ours."""
        ours = copy.deepcopy(real)
        set_timesteps = ours.set_timesteps

        @functools.wraps(set_timesteps)
        def timed(*args: Any, **kwargs: Any) -> None:
            set_timesteps(*args, **kwargs)
            self.length = len(ours.timesteps)
            ours.timesteps = ours.timesteps.as_subclass(Times)
            sigmas = getattr(ours, "sigmas", None)
            if isinstance(sigmas, Tensor) and not (sigmas.is_meta or ours.timesteps.is_meta):
                self._sigmas = np.asarray(ours.sigmas[: self.length].tolist())
                self._times = np.asarray(ours.timesteps.tolist())
                ours.sigmas = ours.sigmas.as_subclass(Sigmas)

        def step(model_output: Any, timestep: Any = None, sample: Any = None, *_: Any, **__: Any):
            self.steps += 1
            self._outbox.put((model_output, sample))
            z = self._resume(self._inbox.get())
            return _Stepped((z, z))

        ours.set_timesteps, ours.step = timed, step
        ours.scale_model_input = lambda sample, *_, **__: sample
        if hasattr(ours, "add_noise"):  # of what is to be kept: nothing, and times may be fractions
            ours.add_noise = lambda original_samples, *_, **__: original_samples
        step.__signature__ = inspect.signature(real.step)  # pipelines look for eta, generator
        return ours


def _modes() -> Callable[[], None]:
    """What sets the modes of torch that belong to a thread to those of this one."""
    gradients, cuda = torch.is_grad_enabled(), torch.cuda.is_initialized()
    stream = torch.cuda.current_stream() if cuda else None
    kinds = ("cpu", "cuda")
    casts = [(k, torch.is_autocast_enabled(k), torch.get_autocast_dtype(k)) for k in kinds]

    def restore() -> None:
        torch.set_grad_enabled(gradients)
        for kind, enabled, dtype in casts:
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, dtype)
        if stream is not None:
            torch.cuda.set_stream(stream)

    return restore


@final
class Times(Tensor):
    """A scheduler's times; the current one of the open call's loop is the one it was asked for."""

    @classmethod
    def __torch_function__(cls, *args: Any, **kwargs: Any) -> Any:
        """As for any subclass, but a single number is a plain tensor."""
        result: Any = super().__torch_function__(*args, **kwargs)
        single = isinstance(result, Tensor) and result.ndim == 0
        return result.as_subclass(Tensor) if single else result

    def __iter__(self) -> Iterator[Any]:
        """The scheduler's times before the loop's first step, then those that are asked for."""
        call: Any = getattr(_ACTIVE, "call", None)
        if call is None:  # outside of a call they are numbers
            yield from self.as_subclass(Tensor).unbind()
            return
        begun, values = call.steps, iter(self.as_subclass(Tensor).unbind())
        while call.steps == begun:
            if (value := next(values, None)) is None:
                return
            yield value
        while call.time is not None:
            yield call.time

    def __getitem__(self, index: Any) -> Any:
        """The time that was asked for, at the number of the step."""
        call: Any = getattr(_ACTIVE, "call", None)
        plain: Tensor = self.as_subclass(Tensor)[index]
        if not isinstance(index, int) or call is None:
            return plain.as_subclass(Times) if plain.ndim else plain
        if call.time is not None and index == call.steps:
            return call.time
        call.read_ahead |= call.steps > 0
        return plain

    def __deepcopy__(self, memo: Any) -> Any:
        return self.as_subclass(Tensor).clone().as_subclass(Times)


@final
class Sigmas(Tensor):
    """A scheduler's noise levels; a loop that looks one up by the number of its step is noted."""

    def __getitem__(self, index: Any) -> Any:
        """The level, as a plain tensor."""
        call: Any = getattr(_ACTIVE, "call", None)
        if call is not None and isinstance(index, int):
            call.read_ahead |= call.steps > 0
        return self.as_subclass(Tensor)[index]


def memoized(known: list[tuple[Any, Any]], function: Callable[..., Any]) -> Any:
    """A function that answers from a list what it was asked before."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        key = (getattr(function, "__qualname__", ""), args, kwargs)
        for other, answer in known:
            if same(other, key):
                return answer
        answer = function(*args, **kwargs)
        known.append((key, answer))
        del known[:-_KEPT]
        return answer

    return wrapped


def same(a: Any, b: Any) -> bool:
    """Whether two arguments are equal, tensors, arrays and containers by their values."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device) and torch.equal(a, b)
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__array_interface__"):  # arrays and pictures
        return np.array_equal(np.asarray(a), np.asarray(b))
    return isinstance(a, (str, int, float, bool)) and a == b
