"""The rows of the editing suite: every method with its published settings, and its curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import torch

from benchmarks.suites.records import Row
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
"""Of the strongest peers, whose best point lies between."""

WIDER = {0.7: FINER, 0.6: (0.6, 0.65, 0.7, 0.75), 0.5: (0.6, 0.65, 0.7)}
"""Thresholds of LEDITS++ with attention, whose two masks together leave less than each alone, and
the strengths of each. Its edit prompt names the edit and nothing else; ours is the whole target
prompt, so that further points watch the words that were changed alone."""


@final
@dataclass(frozen=True)
class Asked:
    """What a method is told about a batch of pictures.

    Args:
        prompts: (source, target) of every picture, in words.
    """

    prior: Prior
    z_src: Latent
    wanted: Condition
    there: Condition
    null: Condition
    rng: Rng
    prompts: tuple[tuple[str, str], ...] = ()

    def target(self, scale: float) -> Any:
        """Guidance towards the target prompt, from the null prompt."""
        return cfg(self.prior, self.wanted, self.null, scale)

    def source(self, scale: float) -> Any:
        """Guidance towards the source prompt, from the null prompt."""
        return cfg(self.prior, self.there, self.null, scale)

    def levels(self, chosen: dict[str, Any]) -> list[Level]:
        """From a share of noise, even in it; or the last part of even times, as published."""
        schedule, steps = self.prior.schedule, chosen["steps"]
        if "noise" in chosen:
            shift = chosen.get("shift", 1.0)
            return flow_shifted(schedule, steps, start=chosen["noise"], shift=shift)
        return trailing(schedule, steps)[round(chosen["skip"] * steps) :]

    def shuffled(self, steps: int) -> list[Level]:
        """Random levels of score distillation, the same for every picture."""
        rng = torch.Generator().manual_seed(0)
        return random_levels(self.prior.schedule, steps, rng, low=0.05, high=0.95)


Method = Callable[[Asked, dict[str, Any]], Iterator[Step]]


def _sdedit(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    return sdedit(ask.target(to["scale"]), ask.z_src, ask.levels(to), ask.rng)


def _ddim_inversion(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    source = conditional(ask.prior, ask.there)
    return ddim_inversion(ask.target(to["scale"]), source, ask.z_src, ask.levels(to))


def _negative_prompt(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    levels = ask.levels(to)
    return negative_prompt_inversion(
        ask.prior, ask.z_src, ask.wanted, ask.there, levels, to["scale"]
    )


def _null_text(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    words = ask.wanted, ask.there, ask.null
    how = ask.levels(to), to["scale"]
    return null_text_inversion(ask.prior, ask.z_src, *words, *how, inner_steps=to["inner_steps"])


def _prompt_to_prompt(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    source, target = zip(*ask.prompts, strict=True)
    null = ask.null if to["inner_steps"] else ask.there  # negative-prompt inversion searches none
    told = ask.wanted, ask.there, null, align(ask.prior, source, target), ask.levels(to)
    how = {name: to[name] for name in ("cross_share", "self_share", "inner_steps")}
    if "blend" in to:
        changed = changed_tokens(ask.prior, source, target)
        how["blend"] = LocalBlend(*changed, to["blend"], to["blend_start"])
    return prompt_to_prompt(ask.prior, ask.z_src, *told, to["scale"], **how)


def _ddpm_inversion(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    pair = ask.target(to["scale"]), ask.source(to["source_scale"])
    return ddpm_inversion(*pair, ask.z_src, ask.levels(to), ask.rng)


def _ledits(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    how = ask.levels(to), ask.rng, to["scale"], to["threshold"]
    return ledits(ask.prior, ask.z_src, ask.wanted, ask.null, *how)


def _ledits_attended(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    how = ask.levels(to), ask.rng, to["scale"], to["threshold"]
    source, target = zip(*ask.prompts, strict=True)
    if to.get("words") == "changed":
        words = changed_tokens(ask.prior, source, target)[1]
    else:
        words = word_tokens(ask.prior, target)
    return ledits(ask.prior, ask.z_src, ask.wanted, ask.null, *how, words=words)


def _sds(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    levels, canvas = ask.shuffled(to["steps"]), LatentVariable(ask.z_src)
    return sds(ask.target(to["scale"]), canvas, levels, ask.rng, DDS_STEP)


def _dds(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    pair, levels = (ask.target(to["scale"]), ask.source(to["scale"])), ask.shuffled(to["steps"])
    return dds(*pair, LatentVariable(ask.z_src), ask.z_src, levels, ask.rng, DDS_STEP)


def _pds(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    pair, levels = (ask.target(to["scale"]), ask.source(to["scale"])), ask.shuffled(to["steps"])
    weights = pds_weights(tabled(ask.prior.schedule), 1000 // 500)
    canvas = LatentVariable(ask.z_src)
    return pds(*pair, canvas, ask.z_src, levels, ask.rng, to["rate"], weights)


def _flow_edit(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    pair = ask.target(to["scale"]), ask.source(to["source_scale"])
    return flow_edit(*pair, ask.z_src, ask.levels(to), ask.rng)


def _paper(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    shifted = isinstance(ask.prior.schedule, VariancePreserving)
    weights = to["steps"], to["gamma"]
    return dreamsampler(ask.prior, ask.z_src, ask.wanted, ask.null, *weights, shifted=shifted)


def _default(ask: Asked, to: dict[str, Any]) -> Iterator[Step]:
    target, source = ask.target(to["scale"]), conditional(ask.prior, ask.there)
    by = conditional(ask.prior, ask.wanted)
    return anchored_edit(target, source, ask.z_src, ask.levels(to), ask.rng, by=by)


METHODS: dict[str, Method] = {
    "SDEdit": _sdedit,
    "DDIM inversion": _ddim_inversion,
    "negative-prompt inversion": _negative_prompt,
    "null-text inversion": _null_text,
    "Prompt-to-Prompt": _prompt_to_prompt,
    "Prompt-to-Prompt, local blending": _prompt_to_prompt,
    "DDPM inversion": _ddpm_inversion,
    "LEDITS++": _ledits_attended,
    "LEDITS++, no attention": _ledits,
    "SDS": _sds,
    "DDS": _dds,
    "PDS": _pds,
    "FlowEdit": _flow_edit,
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


def editing_rows(methods: list[str] | None = None, *, curves: bool = True) -> list[Row]:
    """Published settings first, then the curves.

    Raises:
        ValueError: an unknown method.
    """
    unknown = [name for name in methods or [] if name not in METHODS]
    if unknown:
        raise ValueError(f"there is no method {unknown[0]!r}: choose among {', '.join(METHODS)}")
    names = list(methods or METHODS)
    ours = {"DreamSampler", "DreamSampler, paper"}
    rows = [
        Row(slug(name), name, "ours" if name in ours else "published", PUBLISHED[name])
        for name in names
    ]
    if curves:
        rows += [
            Row(f"{slug(name)}-{i}", name, "sweep", chosen)
            for name in names
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


def slug(name: str) -> str:
    """A name that is safe as a folder's.

    Example:
        >>> slug("LEDITS++, no attention")
        'ledits-no-attention'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def tabled(schedule: Schedule) -> VariancePreserving:
    """The schedule as a table, which PDS's weights are made of.

    Raises:
        ValueError: a schedule that is none.
    """
    if not isinstance(schedule, VariancePreserving):
        raise ValueError("PDS needs a model with a table of alphas_cumprod: leave it out")
    return schedule
