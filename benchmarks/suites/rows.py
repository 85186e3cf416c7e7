"""The rows of the editing suite: every method with its published settings, and its curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch

from benchmarks.records import Row
from benchmarks.suite import slug
from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Latent, Level, Rng, Schedule, Step, VariancePreserving
from dreamsampler.methods import (
    LocalBlend,
    anchored_edit,
    ddim_inversion,
    ddpm_inversion,
    dds,
    dreamsampler,
    flow_edit,
    ledits,
    negative_prompt_inversion,
    null_text_inversion,
    pds,
    pds_weights,
    prompt_to_prompt,
    sdedit,
    sds,
)
from dreamsampler.models import ModelError, align, changed_tokens, word_tokens
from dreamsampler.models.attention import check_attention
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.samplers import flow_shifted, random_levels, trailing

DDS_STEP = 0.1 * 2000 / 64**2
"""Of DDS and SDS as published: learning rate, times the loss's factor, over the cells of 512 px."""
STRENGTHS = (0.55, 0.65, 0.75, 0.85)
"""Noise share u = sigma / (alpha + sigma) of the first level of every curve."""
FINER = (*STRENGTHS, 0.6, 0.7)
"""Of the strongest baselines, whose best point lies between."""

WIDER = {0.7: FINER, 0.6: (0.6, 0.65, 0.7, 0.75), 0.5: (0.6, 0.65, 0.7)}
"""Thresholds of LEDITS++ with attention, whose two masks together leave less than each alone, and
the strengths of each. Its edit prompt names the edit and nothing else; ours is the whole target
prompt, so that further points watch the words that were changed alone."""


@final
@dataclass(frozen=True)
class Inputs:
    """What every method gets for a batch of pictures.

    Args:
        prompts: (source, target) of every picture, in words.
    """

    prior: Prior
    z_src: Latent
    target_condition: Condition
    source_condition: Condition
    null: Condition
    rng: Rng
    prompts: tuple[tuple[str, str], ...] = ()

    def target(self, scale: float) -> Any:
        """Guidance towards the target prompt, from the null prompt."""
        return cfg(self.prior, self.target_condition, self.null, scale)

    def source(self, scale: float) -> Any:
        """Guidance towards the source prompt, from the null prompt."""
        return cfg(self.prior, self.source_condition, self.null, scale)

    def levels(self, settings: dict[str, Any]) -> list[Level]:
        """From a share of noise, even in it; or the last part of even times, as published."""
        schedule, steps = self.prior.schedule, settings["steps"]
        if "noise" in settings:
            shift = settings.get("shift", 1.0)
            return flow_shifted(schedule, steps, start=settings["noise"], shift=shift)
        return trailing(schedule, steps)[round(settings["skip"] * steps) :]

    def shuffled(self, steps: int) -> list[Level]:
        """Random levels of score distillation, the same for every picture."""
        rng = torch.Generator().manual_seed(0)
        return random_levels(self.prior.schedule, steps, rng, low=0.05, high=0.95)


Method = Callable[[Inputs, dict[str, Any]], Iterator[Step]]


def _null_text(given: Inputs, to: dict[str, Any]) -> Iterator[Step]:
    conditions = given.target_condition, given.source_condition, given.null
    rest = given.levels(to), to["scale"]
    return null_text_inversion(
        given.prior, given.z_src, *conditions, *rest, inner_steps=to["inner_steps"]
    )


def _prompt_to_prompt(given: Inputs, to: dict[str, Any]) -> Iterator[Step]:
    source, target = zip(*given.prompts, strict=True)
    # negative-prompt inversion searches no null prompt
    null = given.null if to["inner_steps"] else given.source_condition
    aligned = align(given.prior, source, target)
    conditions = given.target_condition, given.source_condition, null, aligned
    options = {name: to[name] for name in ("cross_share", "self_share", "inner_steps")}
    if "blend" in to:
        changed = changed_tokens(given.prior, source, target)
        options["blend"] = LocalBlend(*changed, to["blend"], to["blend_start"])
    rest = given.levels(to), to["scale"]
    return prompt_to_prompt(given.prior, given.z_src, *conditions, *rest, **options)


def _ledits(given: Inputs, to: dict[str, Any], *, attention: bool) -> Iterator[Step]:
    source, target = zip(*given.prompts, strict=True)
    words = None
    if attention and to.get("words") == "changed":
        words = changed_tokens(given.prior, source, target)[1]
    elif attention:
        words = word_tokens(given.prior, target)
    rest = given.levels(to), given.rng, to["scale"], to["threshold"]
    return ledits(given.prior, given.z_src, given.target_condition, given.null, *rest, words=words)


def _distilled(given: Inputs, to: dict[str, Any], method: Any, *rest: Any) -> Iterator[Step]:
    """DDS and PDS: a pair of denoisers, the latent, levels at random."""
    pair, levels = (
        (given.target(to["scale"]), given.source(to["scale"])),
        given.shuffled(to["steps"]),
    )
    return method(*pair, LatentVariable(given.z_src), given.z_src, levels, given.rng, *rest)


def _paper(given: Inputs, to: dict[str, Any]) -> Iterator[Step]:
    shifted = isinstance(given.prior.schedule, VariancePreserving)
    conditions = given.target_condition, given.null
    return dreamsampler(
        given.prior, given.z_src, *conditions, to["steps"], to["gamma"], shifted=shifted
    )


def _default(given: Inputs, to: dict[str, Any]) -> Iterator[Step]:
    target, source = given.target(to["scale"]), conditional(given.prior, given.source_condition)
    by = conditional(given.prior, given.target_condition)
    return anchored_edit(target, source, given.z_src, given.levels(to), given.rng, by=by)


METHODS: dict[str, Method] = {
    "SDEdit": lambda x, to: sdedit(x.target(to["scale"]), x.z_src, x.levels(to), x.rng),
    "DDIM inversion": lambda x, to: ddim_inversion(
        x.target(to["scale"]), conditional(x.prior, x.source_condition), x.z_src, x.levels(to)
    ),
    "negative-prompt inversion": lambda x, to: negative_prompt_inversion(
        x.prior, x.z_src, x.target_condition, x.source_condition, x.levels(to), to["scale"]
    ),
    "null-text inversion": _null_text,
    "Prompt-to-Prompt": _prompt_to_prompt,
    "Prompt-to-Prompt, local blending": _prompt_to_prompt,
    "DDPM inversion": lambda x, to: ddpm_inversion(
        x.target(to["scale"]), x.source(to["source_scale"]), x.z_src, x.levels(to), x.rng
    ),
    "LEDITS++": partial(_ledits, attention=True),
    "LEDITS++, no attention": partial(_ledits, attention=False),
    "SDS": lambda x, to: sds(
        x.target(to["scale"]), LatentVariable(x.z_src), x.shuffled(to["steps"]), x.rng, DDS_STEP
    ),
    "DDS": lambda x, to: _distilled(x, to, dds, DDS_STEP),
    "PDS": lambda x, to: _distilled(
        x, to, pds, to["rate"], pds_weights(tabled(x.prior.schedule), 1000 // 500)
    ),
    "FlowEdit": lambda x, to: flow_edit(
        x.target(to["scale"]), x.source(to["source_scale"]), x.z_src, x.levels(to), x.rng
    ),
    "DreamSampler, paper": _paper,
    "DreamSampler": _default,
}
"""Every method of the suite, by its name in tables."""
PUT_BACK = {"DreamSampler"}
"""Whose own program keeps the source's pixels where nothing changed (`assemble`); the others',
as published, decode the latent and nothing else. Every row is measured both ways."""

ATTENDING = ("Prompt-to-Prompt", "Prompt-to-Prompt, local blending", "LEDITS++")
"""Which see or exchange attention maps, so that not every model can have them."""
P2P = {"cross_share": 0.8, "self_share": 0.4, "inner_steps": 0}
"""Published shares of the steps. It needs an inversion: negative-prompt inversion, which is cheap;
one point of its curve is its authors' own, null-text inversion."""
BLENDED = P2P | {"blend": 0.3, "blend_start": 0.2}
"""With the published threshold and start for words that are swapped in a real picture."""
OURS = {"edition": 2, "steps": 16, "scale": 5.0}
"""The default edit but for its strength; every change of `anchored_edit` itself is another edition,
so that records of an earlier one do not count."""
PUBLISHED: dict[str, dict[str, Any]] = {
    "SDEdit": {"steps": 50, "skip": 0.2, "scale": 7.5},
    "DDIM inversion": {"steps": 50, "skip": 0.0, "scale": 7.5},
    "negative-prompt inversion": {"steps": 50, "skip": 0.0, "scale": 7.5},
    "null-text inversion": {"steps": 50, "skip": 0.0, "scale": 7.5, "inner_steps": 10},
    "Prompt-to-Prompt": {"steps": 50, "skip": 0.0, "scale": 7.5} | P2P,
    "Prompt-to-Prompt, local blending": {"steps": 50, "skip": 0.0, "scale": 7.5} | BLENDED,
    "DDPM inversion": {"steps": 100, "skip": 0.36, "scale": 15.0, "source_scale": 3.5},
    "LEDITS++": {"steps": 50, "skip": 0.15, "scale": 5.0, "threshold": 0.9},
    "LEDITS++, no attention": {"steps": 50, "skip": 0.15, "scale": 5.0, "threshold": 0.9},
    "SDS": {"steps": 200, "scale": 7.5},
    "DDS": {"steps": 200, "scale": 7.5},
    "PDS": {"steps": 200, "scale": 100.0, "rate": 0.1},
    "FlowEdit": {"steps": 33, "noise": 0.853, "shift": 3.0, "scale": 13.5, "source_scale": 3.5},
    "DreamSampler, paper": {"steps": 200, "gamma": 0.2},
    "DreamSampler": OURS | {"noise": 0.75},
}
CURVES: dict[str, list[dict[str, Any]]] = {
    "SDEdit": [{"steps": 20, "noise": u, "scale": 5.0} for u in STRENGTHS],
    "DDIM inversion": [{"steps": 20, "noise": u, "scale": 3.0} for u in STRENGTHS],
    "negative-prompt inversion": [{"steps": 20, "noise": u, "scale": 3.0} for u in STRENGTHS],
    "null-text inversion": [
        {"steps": 20, "noise": u, "scale": 3.0, "inner_steps": 5} for u in STRENGTHS
    ],
    "Prompt-to-Prompt": [
        *({"steps": 20, "noise": u, "scale": 3.0} | P2P for u in STRENGTHS),
        {"steps": 50, "skip": 0.0, "scale": 7.5} | P2P | {"inner_steps": 10},
    ],
    "Prompt-to-Prompt, local blending": [
        *({"steps": 20, "noise": u, "scale": 3.0} | BLENDED for u in STRENGTHS),
        {"steps": 50, "skip": 0.0, "scale": 7.5} | BLENDED | {"inner_steps": 10},
    ],
    "DDPM inversion": [{"steps": 20, "noise": u, "scale": 5.0, "source_scale": 1.0} for u in FINER],
    "LEDITS++": [
        *(
            {"steps": 20, "noise": u, "scale": 7.5, "threshold": threshold}
            for threshold, strengths in WIDER.items()
            for u in strengths
        ),
        *(
            {"steps": 20, "noise": u, "scale": 7.5, "threshold": 0.6, "words": "changed"}
            for u in (0.65, 0.7, 0.75)
        ),
    ],
    "LEDITS++, no attention": [
        {"steps": 20, "noise": u, "scale": 7.5, "threshold": 0.7} for u in FINER
    ],
    "SDS": [{"steps": n, "scale": 7.5} for n in (25, 50, 100)],
    "DDS": [{"steps": n, "scale": 7.5} for n in (25, 50, 100)],
    "PDS": [{"steps": n, "scale": 7.5, "rate": 0.1} for n in (25, 50, 100)],
    "FlowEdit": [
        {"steps": 16, "noise": u, "shift": 1.0, "scale": 5.0, "source_scale": 1.0} for u in FINER
    ],
    "DreamSampler, paper": [{"steps": 50, "gamma": g} for g in (0.1, 0.4, 0.8)],
    "DreamSampler": [OURS | {"noise": u} for u in (0.55, 0.65, 0.8, 0.85)],
}
"""Points of each method's curve, guidance and steps near those of the default edit; its published
settings are a point as well."""


def editing_rows(*, curves: bool = True) -> list[Row]:
    """Published settings first, then the curves."""
    ours = {"DreamSampler", "DreamSampler, paper"}
    rows = [
        Row(slug(name), name, "ours" if name in ours else "published", PUBLISHED[name])
        for name in METHODS
    ]
    if curves:
        rows += [
            Row(f"{slug(name)}-{i}", name, "sweep", chosen)
            for name in METHODS
            for i, chosen in enumerate(CURVES[name])
        ]
    return rows


def impossible(prior: Any) -> dict[str, str]:
    """Methods that a model cannot have -> the reason."""
    try:
        check_attention(prior)
    except ModelError as error:
        return dict.fromkeys(ATTENDING, str(error))
    return {}


def tabled(schedule: Schedule) -> VariancePreserving:
    """The schedule as a table, which PDS's weights are made of.

    Raises:
        ValueError: a schedule that is none.
    """
    if not isinstance(schedule, VariancePreserving):
        raise ValueError("PDS needs a model with a table of alphas_cumprod: leave it out")
    return schedule
