"""The rows of registered methods: published settings, and points of curves.

A method of the registry is a row without a further line here: its title is the row's name, its
settings are the row's settings. Settings keep the names that records have for them (`NAMES`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.records import Row
from benchmarks.suite import slug
from dreamsampler.maths import VariancePreserving
from dreamsampler.methods.inputs import EditInputs, InpaintInputs, Steps
from dreamsampler.methods.registry import Method, methods_of
from dreamsampler.models import ModelError
from dreamsampler.models.attention import check_attention

NAMES = {
    "steps": "num_inference_steps",
    "scale": "guidance_scale",
    "source_scale": "source_guidance_scale",
    "noise": "strength",
}
"""Setting of a row -> option of a method, where the two differ."""
LABELS = ("edition", "by", "preset")
"""Settings of rows that only tell records apart."""
STRENGTHS = (0.55, 0.65, 0.75, 0.85)
"""Noise share u = sigma / (alpha + sigma) of the first level of every curve."""
FINER = (*STRENGTHS, 0.6, 0.7)
"""Of the strongest baselines, whose best point lies between."""

WIDER = {0.7: FINER, 0.6: (0.6, 0.65, 0.7, 0.75), 0.5: (0.6, 0.65, 0.7)}
"""Thresholds of LEDITS++ with attention, whose two masks together leave less than each alone, and
the strengths of each. Its edit prompt names the edit and nothing else; ours is the whole target
prompt, so that further points watch the words that were changed alone."""


def ordered(task: str) -> list[Method]:
    """The methods of a task as tables have them: the default last, without those of editors."""
    default, *others = [each for each in methods_of(task).values() if not each.reference]
    return [*others, default]


def settings_of(method: Method) -> dict[str, Any]:
    """The published settings of a method under the names of rows; what it lacks is left out."""
    names = {option: name for name, option in NAMES.items()}
    settings = {names.get(option, option): value for option, value in method.settings.items()}
    return {name: value for name, value in settings.items() if value is not None}


def start(method: Method, inputs: EditInputs | InpaintInputs, settings: Mapping[str, Any]) -> Steps:
    """The steps of a method with the settings of a row, and how many there are.

    Args:
        method: of the registry.
        inputs: of its task.
        settings: of a row; what they leave out is as published. `skip` is the share of even
            trailing levels that is left out, `noise` the first of levels even in flow time.

    Raises:
        ValueError: a setting that the method does not have.
    """
    options = {NAMES.get(n, n): value for n, value in settings.items() if n not in LABELS}
    if "skip" in options:
        options["strength"] = None
    if "shifted" in method.settings:  # the published program's table, where there is one
        options["shifted"] = isinstance(inputs.prior.schedule, VariancePreserving)
    return method.start(inputs, options)


METHODS: dict[str, Method] = {each.title: each for each in ordered("edit")}
"""Every editing method, by its name in tables."""
PUT_BACK = {"DreamSampler", "DreamSampler, anchored"}
"""Whose own program keeps the source's pixels where nothing changed (`assemble`); the others',
as published, decode the latent and nothing else. Every row is measured both ways."""

P2P = {"cross_share": 0.8, "self_share": 0.4, "inner_steps": 0}
"""Published shares of the steps. It needs an inversion: negative-prompt inversion, which is cheap;
one point of its curve is its authors' own, null-text inversion."""
BLENDED = P2P | {"blend": 0.3, "blend_start": 0.2}
"""With the published threshold and start for words that are swapped in a real picture."""
OURS = {"edition": 3, "steps": 16, "scale": 5.0, "redraw": 0.8}
"""The default edit but for its strength; every change of the method itself is another edition, so
that records of an earlier one do not count."""
ANCHORED = {"edition": 2, "steps": 16, "scale": 5.0}
"""The same of its first half alone, which was the default."""
RECORDED: dict[str, dict[str, Any]] = {
    "Prompt-to-Prompt": {"steps": 50, "skip": 0.0, "scale": 7.5} | P2P,
    "LEDITS++": {"steps": 50, "skip": 0.15, "scale": 5.0, "threshold": 0.9},
    "SDS": {"steps": 200, "scale": 7.5},
    "DDS": {"steps": 200, "scale": 7.5},
    "PDS": {"steps": 200, "scale": 100.0, "rate": 0.1},
    "DreamSampler, paper": {"steps": 200, "gamma": 0.2},
    "DreamSampler": OURS | {"noise": 0.75},
    "DreamSampler, anchored": ANCHORED | {"noise": 0.75},
}
"""Published settings of rows where records name other ones than the registry: fewer of them, or, of
LEDITS++, those published for Stable Diffusion where the registry has tuned ones."""
PUBLISHED = {title: RECORDED.get(title, settings_of(each)) for title, each in METHODS.items()}
"""Every method's published settings, as a row has them."""
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
    "DreamSampler, anchored": [ANCHORED | {"noise": u} for u in (0.55, 0.65, 0.8, 0.85)],
}
"""Points of each method's curve, guidance and steps near those of the default edit; its published
settings are a point as well."""


def editing_rows(*, curves: bool = True) -> list[Row]:
    """Published settings first, then the curves."""
    ours = {"DreamSampler", "DreamSampler, anchored", "DreamSampler, paper"}
    rows = [
        Row(slug(title), title, "ours" if title in ours else "published", settings)
        for title, settings in PUBLISHED.items()
    ]
    if curves:
        rows += [
            Row(f"{slug(title)}-{i}", title, "sweep", settings)
            for title in METHODS
            for i, settings in enumerate(CURVES.get(title, []))
        ]
    return rows


def impossible(prior: Any) -> dict[str, str]:
    """Methods that see or exchange attention maps, where a model has none -> the reason."""
    try:
        check_attention(prior)
    except ModelError as error:
        return {title: str(error) for title, each in METHODS.items() if each.attention}
    return {}
