"""Several runs side by side, the questions of which go through the network together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, final

import torch

from dreamsampler.maths import Estimate, Latent, Level
from dreamsampler.models.prior import Guiding, Prior

Result = TypeVar("Result")


def in_lockstep(
    works: Sequence[Callable[[Any], Result]], prior: Prior | None
) -> list[Result | Exception]:
    """Do several things with one prior, and batch what they ask it at the same level.

    Each work runs in a thread of its own until it asks the network; then the next one has its turn.
    Once all of them wait, questions of one level and one shape become one forward, and the answers
    go back. Only one thread ever computes, so the order, and with it every number, is the same each
    time. What asks for gradients is asked alone.

    Batching leaves every row to itself, but not every rounding: on a CPU in float32 matrix products
    of other sizes round differently (about 1e-6 of an estimate).

    Args:
        works: each is called with a prior that stands for the real one and counts its own
            evaluations.
        prior: the real one; None for works that ask none.

    Returns:
        What each returned, or the exception that it raised; one's failure leaves the others alone.

    Example:
        >>> from dreamsampler import GaussianMixture
        >>> prior = GaussianMixture(torch.zeros(1, 2), std=1.0)
        >>> def ask(one):
        ...     return one.predict(torch.ones(1, 2), one.schedule(0.5), [one.condition(None)])
        >>> len(in_lockstep([ask, ask], prior))
        2
    """
    if len(works) == 1 or prior is None:
        return [_attempt(work, prior) for work in works]
    turns = [_Turn(prior, work) for work in works]
    for each in turns:
        each.begin()
    while waiting := [each for each in turns if each.question is not None]:
        _answer(waiting, prior)
        for each in waiting:
            each.proceed()
    return [each.result for each in turns]  # type: ignore[misc]  # every one has ended


def _attempt(work: Callable[[Any], Result], prior: Any) -> Result | Exception:
    try:
        return work(prior)
    except Exception as error:
        return error


@final
@dataclass
class _Question:
    """What one run asks the network."""

    zs: list[Latent]
    level: Level
    conditions: list[Any]
    answer: list[Estimate] | Exception | None = None

    @property
    def kind(self) -> tuple[Any, ...]:
        """Questions of one kind fit into one forward."""
        z = self.zs[0]
        return (self.level.t, self.level.alpha, self.level.sigma, z.shape[1:], z.dtype, z.device)


@final
@dataclass
class _Turn(Generic[Result]):
    """One work in its thread, which runs only while everybody else waits."""

    prior: Any
    work: Callable[[Any], Result]
    question: _Question | None = None
    result: Result | Exception | None = None
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _waits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def begin(self) -> None:
        """Run until the first question, or the end."""
        threading.Thread(target=self._live, daemon=True).start()
        self.proceed()

    def proceed(self) -> None:
        """Run until the next question, or the end."""
        self.question = None
        self._go.release()
        self._waits.acquire()

    def ask(self, question: _Question) -> list[Estimate]:
        """Called in the thread: wait for the answer."""
        self.question = question
        self._waits.release()
        self._go.acquire()
        if isinstance(question.answer, Exception):
            raise question.answer
        assert question.answer is not None
        return question.answer

    def _live(self) -> None:
        self._go.acquire()
        self.result = _attempt(self.work, _Standing(self.prior, self))
        self._waits.release()


@final
class _Standing:
    """Stands for the prior in one run: asks it in turn, and counts what that run asks."""

    def __init__(self, prior: Any, turn: _Turn[Any]) -> None:
        self._prior, self._turn, self.evaluations = prior, turn, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prior, name)

    @property
    def schedule(self) -> Any:
        """The real one's."""
        return self._prior.schedule

    def guided(self, condition: Any, null: Any, scale: Any) -> list[tuple[Any, Any]]:
        """As the real one is guided; by two questions if it does not say."""
        if isinstance(self._prior, Guiding):
            return self._prior.guided(condition, null, scale)
        from dreamsampler.maths import weigh

        return [(null, lambda level: 1 - weigh(scale, level)), (condition, scale)]

    def usual_scale(self, scale: float) -> float:
        """The real one's."""
        return self._prior.usual_scale(scale) if isinstance(self._prior, Guiding) else scale

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[Any]
    ) -> list[Estimate]:
        """The real one's answers, once everybody has asked."""
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else list(z)
        self.evaluations += sum(len(each) for each in zs)
        if torch.is_grad_enabled() or not zs or len(zs) != len(conditions):
            return self._prior.predict(z, level, conditions)
        return self._turn.ask(_Question(zs, level, list(conditions)))


def _answer(turns: Sequence[_Turn[Any]], prior: Prior) -> None:
    """Answer every question, those of one kind in one forward."""
    questions = [each.question for each in turns if each.question is not None]
    for group in _grouped(questions):
        with torch.no_grad():
            found = _attempt(lambda p, group=group: _forward(group, p), prior)
            if len(group) > 1 and isinstance(found, Exception):  # one may spoil it for the others
                for each in group:
                    one = _attempt(lambda p, each=each: _forward([each], p), prior)
                    each.answer = one if isinstance(one, Exception) else one[0]
                continue
        for i, each in enumerate(group):
            each.answer = found if isinstance(found, Exception) else found[i]


def _forward(group: Sequence[_Question], prior: Prior) -> list[list[Estimate]]:
    zs = [z for each in group for z in each.zs]
    answers = prior.predict(zs, group[0].level, [c for each in group for c in each.conditions])
    counts = iter(answers)
    return [[next(counts) for _ in each.conditions] for each in group]


def _grouped(questions: Sequence[_Question]) -> Iterator[list[_Question]]:
    kinds: dict[tuple[Any, ...], list[_Question]] = {}
    for each in questions:
        kinds.setdefault(each.kind, []).append(each)
    yield from kinds.values()
