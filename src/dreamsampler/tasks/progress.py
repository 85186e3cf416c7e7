"""How far a run is, and the bar that shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

if TYPE_CHECKING:
    from dreamsampler.maths import Step

Stage: TypeAlias = Literal["read", "fit", "step", "decode", "write"]


@final
@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        stage: read (open and encode), fit (optimizer steps before the model is used), step,
            decode, write.
        done: steps or optimizer steps so far.
        total: how many there will be.
        run: the `Run`; None while it is being started.
        step: the newest step, in stage "step"; None before the first one.
        part: share of the next step that is done, where it is a long one.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    run: Any = None
    step: Step | None = None
    part: float = 0.0


ProgressCallback: TypeAlias = Callable[[Progress], None]


@contextmanager
def shown_progress(progress: bool | ProgressCallback, name: str) -> Iterator[ProgressCallback]:
    """Inside, a function that shows how far a run is."""
    if not isinstance(progress, bool):
        yield progress
        return
    if not progress or not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield lambda _: None
        return
    from tqdm.auto import tqdm

    with tqdm(desc=name, leave=False) as bar:

        def tell(state: Progress) -> None:
            bar.set_postfix_str("" if state.stage == "step" else state.stage, refresh=False)
            bar.total, bar.n = state.total, state.done + state.part
            bar.refresh()

        yield tell
