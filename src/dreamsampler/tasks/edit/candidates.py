"""Several edits of one picture, and the one to keep: the least change that shows the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from dreamsampler.guidance import log_evidence
from dreamsampler.maths import Latent, generators
from dreamsampler.methods.inputs import EditInputs
from dreamsampler.tasks.edit.options import EditOptions

SPREAD = 0.2
"""How far strengths lie below and above the method's own, as a share of it."""
JUDGED = (0.7, 0.5, 0.3)
"""u of the levels at which prompts are compared, even in the signal-to-noise ratio's logarithm."""
ENOUGH = 0.75
"""Share of the best candidate's evidence that a candidate needs."""


@final
@dataclass(frozen=True, eq=False)
class Candidate:
    """An edit that was tried.

    Args:
        seed: of its noise.
        strength: of the method.
        z0: its clean latent, (1, c, h, w).
        evidence: see `log_evidence`; of the prompt against the source prompt, or the null prompt.
        change: root mean square of z0 - z_src.
    """

    seed: int
    strength: float
    z0: Latent
    evidence: float
    change: float

    @property
    def name(self) -> str:
        """Its options, in words."""
        return f"strength {self.strength:g}, seed {self.seed}"


def reported(candidates: Sequence[Candidate], kept: Candidate) -> dict[str, Any]:
    """What a run reports of its candidates."""
    others = [c for c in candidates if c is not kept]
    words = [f"{c.name} (evidence {c.evidence:.4g}, change {c.change:.3g})" for c in others]
    figures = {"evidence": kept.evidence, "change": kept.change}
    return {"kept": kept.name, **figures, "not kept": "; ".join(words)}


def variations(task: EditOptions) -> list[EditOptions]:
    """The task once for each candidate: strengths around the method's own, the next seeds.

    A strength that was given stays, so that only the seeds differ; with auto only strengths do.
    """
    count, usual = task.tries or 1, task.settings["strength"]
    auto = task.strength == "auto"
    spread = SPREAD if auto or task.strength is None else 0.0
    shares = [1 + spread * (2 * k / max(count - 1, 1) - 1) for k in range(count)]
    return [
        replace(
            task,
            strength=round(min(1.0, usual * share), 3),
            seed=task.seed + (0 if auto else k),
            candidates=None,
        )
        for k, share in enumerate(shares)
    ]


def judged(task: EditOptions, inputs: EditInputs, z0: Latent) -> Candidate:
    """A finished edit, judged by the model: twelve evaluations.

    Args:
        task: its options.
        inputs: what its method got.
        z0: its clean latent.
    """
    at = inputs.prior.schedule.at_flow
    levels = list(dict.fromkeys(at(u) for u in JUDGED))
    other, rng = inputs.source_condition, generators([0])  # the same noise for every candidate
    found = log_evidence(inputs.prior, z0, inputs.condition, other, levels, rng)
    change = (z0 - inputs.z_src).square().mean().sqrt()
    return Candidate(task.seed, task.settings["strength"], z0, float(found), float(change))


def least_that_shows(candidates: Sequence[Candidate]) -> Candidate:
    """The least change among those whose evidence is above 0 and near the best one's.

    The one of most evidence where none shows the prompt.
    """
    best = max(candidates, key=lambda each: each.evidence)
    enough = [c for c in candidates if c.evidence >= ENOUGH * best.evidence > 0]
    return min(enough, key=lambda each: each.change, default=best)
