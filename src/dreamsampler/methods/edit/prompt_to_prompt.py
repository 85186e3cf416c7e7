"""Prompt-to-Prompt: the edit uses the source's attention maps for the first share of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, conditional, quantile_mask, token_attention
from dreamsampler.guidance.negation import check_movable, check_two_prompts
from dreamsampler.maths import Estimate, Latent, Level, Step
from dreamsampler.methods.edit.ddim_inversion import inverted
from dreamsampler.methods.edit.null_text_inversion import NullText
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.models import align, changed_tokens
from dreamsampler.models.alignment import Alignment
from dreamsampler.models.attention import (
    AttentionMaps,
    Injection,
    attention_control,
    check_attention,
)
from dreamsampler.models.counting import counted_family
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import dream


@final
@dataclass(frozen=True, eq=False)
class LocalBlend:
    """Outside of where the changed words have attention, the edit is the source.

        z_tgt <- z_src + m (z_tgt - z_src),   m = the mask of the source's words or the target's

    Both masks are `quantile_mask`, of the maps of all steps so far.

    Args:
        source: (b or 1, n), 1 at the tokens of the source prompt's words (`changed_tokens`).
        target: the same of the target prompt.
        threshold: share of a mask's maximum, in [0, 1); published 0.3.
        start: share of the steps before it sets in, in [0, 1]; published 0.2 for real pictures.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), "local editing", with
    the settings of its authors' program for null-text inversion.
    """

    source: Tensor
    target: Tensor
    threshold: float = 0.3
    start: float = 0.2


def prompt_to_prompt(
    prior: Prior,
    z_src: Latent,
    condition: Condition,
    source: Condition,
    null: Condition,
    words: Alignment | None,
    levels: Sequence[Level],
    guidance_scale: float = 7.5,
    *,
    cross_share: float = 0.8,
    self_share: float = 0.4,
    inner_steps: int = 10,
    blend: LocalBlend | None = None,
    weights: Tensor | None = None,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Prompt-to-Prompt on a real picture: inversion, then both prompts side by side.

        up:    DDIM inversion under the source prompt (scale 1)
        back:  null_t of every level (`null_text_inversion`), or one null prompt for all of them
        down:  est(src; z_src) and est(tgt; z) from null_t, with maps
               M_tgt <- c (a M_src P + (1 - a) M_tgt)   in cross-attention, for the first steps
               M_tgt <- M_src                           in self-attention, for the first steps
               z_tgt <- z_src + m (z_tgt - z_src)       after the first steps, with `blend`

    The steps of all ways are yielded, of the way down those of the edit. Maps are exchanged in the
    rows of the two prompts only, not in those of the null prompt, and self-attention's where at
    most a quarter of the latent's cells attend, as published (32 of 64 a side).

    Args:
        prior: a `NetworkPrior` around a UNet2DConditionModel that is guided by two prompts.
        null: the empty prompt's; the source prompt's, with `inner_steps` 0, is negative-prompt
            inversion.
        words: which tokens of the target take the maps of which source tokens (`align`); None only
            for a model that counts evaluations.
        levels: falling; published 50 from pure noise.
        guidance_scale: w, published 7.5.
        cross_share: of the steps, the first ones, in [0, 1]; published 0.8.
        self_share: the same for self-attention; published 0.4. Both 0 is plain inversion.
        inner_steps: of Adam a level in the search for null prompts; 0 searches none.
        blend: where the edit may differ from the source; None is everywhere.
        weights: (b or 1, n), c of every token of the target prompt (`token_weights`); None is 1.

    Raises:
        ModelError: another kind of network, or one whose attention was changed.
        ValueError: a model that takes its guidance scale as an input, or numbers out of range.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), algorithm 1; Mokady et
    al., "Null-text inversion", CVPR 2023 (arXiv:2211.09794), section 4, for real pictures.
    """
    check_attention(counted_family(prior) or prior)
    _check_range(cross_share, self_share, inner_steps, blend)
    if weights is not None and words is not None:
        if not cross_share:
            raise ValueError(
                "weights of words act while the source's maps are used: pass a cross_share above 0"
            )
        words = replace(words, weight=weights)
    check = check_movable if inner_steps else check_two_prompts
    check(prior, condition, null, guidance_scale, "Prompt-to-Prompt")

    def steps() -> Iterator[Step]:
        up = yield from inverted(conditional(prior, source), z_src, levels)
        top = up[-1].estimate
        nulls: dict[Level, Condition] = {}
        if inner_steps:
            back = NullText(prior, source, null, guidance_scale, up, inner_steps)
            yield from dream(back, LatentVariable(top.z0), levels, top.eps)
            nulls = back.nulls
        cross, itself = (round(share * len(levels)) for share in (cross_share, self_share))
        prompts = prior, source, condition, lambda level: nulls.get(level, null), guidance_scale
        side = SideBySide(*prompts, levels, top, words, cross, itself, blend)
        yield from dream(side, LatentVariable(top.z0), levels, top.eps, regularize=regularize)

    return steps()


def _check_range(
    cross_share: float, self_share: float, inner_steps: int, blend: LocalBlend | None
) -> None:
    shares = {"cross_share": cross_share, "self_share": self_share}
    if blend is not None:
        shares["the start of blending"] = blend.start
        if not 0 <= blend.threshold < 1:
            raise ValueError(
                f"the threshold of blending is {blend.threshold}, but must lie in [0, 1)"
            )
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}, but must lie in [0, 1]")
    if inner_steps < 0:
        raise ValueError(f"inner_steps is {inner_steps}, but must be at least 0")


@final
@dataclass(eq=False)
class SideBySide:
    """Guidance towards a target prompt with the attention maps of the source, denoised beside it.

    After the last step with injection the source is left out, and this is `cfg`; with a blend
    it is denoised to the end. For one run.

    Args:
        prior: the model.
        source_condition: the source prompt's condition.
        condition: the target prompt's.
        null: level -> the null condition of both.
        scale: w of both.
        levels: falling, those of the run.
        source: the clean pair from which the source is denoised; replaced at every step.
        words: see `prompt_to_prompt`.
        cross: steps with the source's cross-attention.
        itself: steps with its self-attention.
        blend: see `prompt_to_prompt`.
    """

    prior: Prior
    source_condition: Condition
    condition: Condition
    null: Callable[[Level], Condition]
    scale: float
    levels: Sequence[Level]
    source: Estimate
    words: Alignment | None
    cross: int
    itself: int
    blend: LocalBlend | None = None
    _attention: tuple[Tensor, Tensor] | None = None

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """The guided estimate of the edit."""
        step, null = self.levels.index(level), self.null(level)
        if self.blend is None and step >= max(self.cross, self.itself):
            return cfg(self.prior, self.condition, null, self.scale)(z, level)
        z_src = level.alpha * self.source.z0 + level.sigma * self.source.eps
        b, cells = len(z), z[0, 0].numel() // 4 if step < self.itself else 0
        rows = slice(2 * b, 3 * b), slice(3 * b, 4 * b)
        words = self.words if step < self.cross else None
        cells_hw = z.shape[2], z.shape[3]
        maps = None if self.blend is None else AttentionMaps(slice(2 * b, 4 * b), cells_hw)
        injection = Injection(*rows, words, cells)
        counts_only = counted_family(self.prior) is not None
        with nullcontext() if counts_only else attention_control(self.prior, injection, maps):
            conditions = [null, null, self.source_condition, self.condition]
            four = self.prior.predict([z_src, z, z_src, z], level, conditions)
        self.source = src = four[0].lerp(four[2], self.scale)
        tgt = four[1].lerp(four[3], self.scale)
        if self.blend is None or maps is None or counts_only:
            return tgt
        return src.lerp(tgt, self._mask(self.blend, maps.mean, step, tgt.z0))

    def _mask(self, blend: LocalBlend, maps: Tensor, step: int, like: Latent) -> Tensor:
        """(b, 1, h, w): where the edit may differ, by all maps so far."""
        source, target = maps.chunk(2)
        total = token_attention(source, blend.source), token_attention(target, blend.target)
        before = self._attention
        self._attention = total if before is None else (before[0] + total[0], before[1] + total[1])
        if step < round(blend.start * len(self.levels)):
            return torch.ones_like(like[:, :1])
        shape = like.shape[2], like.shape[3]
        either = [quantile_mask(each, blend.threshold, shape) for each in self._attention]
        return torch.maximum(*either).to(like)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered; without a search (inner_steps 0) it is negative-prompt inversion's way up."""
    prior, levels, searches = inputs.prior, inputs.levels(settings), settings["inner_steps"]
    check_attention(counted_family(prior) or prior)
    words = blend = None
    if counted_family(prior) is None:  # a model that only counts has no tokens
        source, target = zip(*inputs.prompts, strict=True)
        words = align(prior, source, target)
        if settings["blend"] is not None:
            changed = changed_tokens(prior, source, target)
            blend = LocalBlend(*changed, settings["blend"], settings["blend_start"])
    elif settings["blend"] is not None:
        blend = LocalBlend(torch.ones(1, 1), torch.ones(1, 1))
    steps = prompt_to_prompt(
        prior,
        inputs.z_src,
        inputs.condition,
        inputs.source_condition,
        inputs.null if searches else inputs.source_condition,
        words,
        levels,
        settings["guidance_scale"],
        cross_share=settings["cross_share"],
        self_share=settings["self_share"],
        inner_steps=searches,
        blend=blend,
        regularize=inputs.regularize,
    )
    return steps, (3 if searches else 2) * len(levels)
