"""Prompt-to-Prompt: the edit attends where the source attends, for the first share of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, conditional, quantile_mask, token_attention
from dreamsampler.guidance.negation import check_asked, check_movable
from dreamsampler.maths import Estimate, Latent, Level, Step
from dreamsampler.methods.null_text import NullText, Search, inverted
from dreamsampler.models.alignment import Alignment
from dreamsampler.models.attention import (
    AttentionMaps,
    Injection,
    attention_control,
    check_attention,
)
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.samplers import dream


@final
@dataclass(frozen=True, eq=False)
class LocalBlend:
    """Outside of where the words that changed are looked at, the edit is the source.

        z_tgt <- z_src + m (z_tgt - z_src),   m = the mask of the source's words or the target's

    Both masks are `prominent`, of the maps of all steps so far.

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
    wanted: Condition,
    there: Condition,
    null: Condition,
    words: Alignment,
    levels: Sequence[Level],
    guidance_scale: float = 7.5,
    *,
    cross_share: float = 0.8,
    self_share: float = 0.4,
    inner_steps: int = 10,
    blend: LocalBlend | None = None,
    weights: Tensor | None = None,
) -> Iterator[Step]:
    """Prompt-to-Prompt on a real picture: inversion, then both prompts side by side.

        up:    DDIM inversion under the source prompt (scale 1)
        back:  null_t of every level (`null_text_inversion`), or one null prompt for all of them
        down:  est(src; z_src) and est(tgt; z) from null_t, with maps
               M_tgt <- c (a M_src P + (1 - a) M_tgt)   in cross-attention, for the first steps
               M_tgt <- M_src                           in self-attention, for the first steps
               z_tgt <- z_src + m (z_tgt - z_src)       after the first steps, with `blend`

    The moments of all ways are yielded, of the way down those of the edit. Maps are exchanged in
    the prompts' own question only, not in that of the null prompt, and self-attention's where at
    most a quarter of the latent's cells attend, as published (32 of 64 a side).

    Args:
        prior: a `NetworkPrior` around a UNet2DConditionModel that is guided by two questions.
        z_src: clean latent of the source.
        wanted: the target prompt's.
        there: the source prompt's.
        null: the empty prompt's; the source prompt's, with `inner_steps` 0, is negative-prompt
            inversion.
        words: which tokens of the target take the maps of which source tokens (`align`).
        levels: falling; published 50 from pure noise.
        guidance_scale: w, published 7.5.
        cross_share: of the steps, the first ones, in [0, 1]; published 0.8.
        self_share: the same for self-attention; published 0.4. Both 0 is plain inversion.
        inner_steps: of Adam a level in the search for null prompts; 0 searches none.
        blend: where the edit may differ from the source; None is everywhere.
        weights: (b or 1, n), c of every token of the target prompt (`token_weights`); None is 1.

    Raises:
        ModelError: another kind of network, or one whose attention is not its own.
        ValueError: a model that is told its guidance scale, or numbers out of range.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), algorithm 1; Mokady et
    al., "Null-text inversion", CVPR 2023 (arXiv:2211.09794), section 4, for real pictures.
    """
    check_attention(prior)
    _check_range(cross_share, self_share, inner_steps, blend)
    words = _weighed(words, weights, cross_share)
    check = check_movable if inner_steps else check_asked
    check(prior, wanted, null, guidance_scale, "Prompt-to-Prompt")

    def walk() -> Iterator[Step]:
        up = yield from inverted(conditional(prior, there), z_src, levels)
        top = up[-1].estimate
        nulls: dict[Level, Condition] = {}
        if inner_steps:
            found = NullText(prior, there, null, guidance_scale, up, Search(inner_steps))
            yield from dream(found, LatentVariable(top.z0), levels, top.eps)
            nulls = found.nulls
        side = SideBySide(
            prior, there, wanted, lambda level: nulls.get(level, null), guidance_scale, words, blend
        )
        cross, itself = (round(share * len(levels)) for share in (cross_share, self_share))
        side.begin(levels, top, cross=cross, itself=itself)
        yield from dream(side, LatentVariable(top.z0), levels, top.eps)

    return walk()


def _weighed(words: Alignment, weights: Tensor | None, cross_share: float) -> Alignment:
    if weights is None:
        return words
    if not cross_share:
        raise ValueError(
            "weights of words act while the source's maps are used: pass a cross_share above 0"
        )
    return replace(words, weight=weights)


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
class SideBySide:
    """Guidance towards a target prompt that attends as the source does, which walks beside it.

    After the last step with injection the source is left behind, and this is `cfg`; with a blend
    it comes along to the end.

    Args:
        prior: who is asked.
        there: the source prompt's condition.
        wanted: the target prompt's.
        null: level -> the null condition of both.
        guidance_scale: w of both.
        words: see `prompt_to_prompt`.
        blend: likewise.
    """

    def __init__(
        self,
        prior: Prior,
        there: Condition,
        wanted: Condition,
        null: Callable[[Level], Condition],
        guidance_scale: float,
        words: Alignment,
        blend: LocalBlend | None = None,
    ) -> None:
        self.prior, self.there, self.wanted, self.null = prior, there, wanted, null
        self.scale, self.words, self.blend = guidance_scale, words, blend
        self._index: dict[Level, int] = {}
        self._cross = self._itself = 0
        self._source: Estimate | None = None
        self._looks: tuple[Tensor, Tensor] | None = None

    def begin(self, levels: Sequence[Level], source: Estimate, *, cross: int, itself: int) -> None:
        """Set out.

        Args:
            levels: falling, those of the run.
            source: the clean pair that the source walks down from.
            cross: steps with the source's cross-attention.
            itself: steps with its self-attention.
        """
        self._index = {level: i for i, level in enumerate(levels)}
        self._source, self._cross, self._itself = source, cross, itself
        self._looks = None

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """The guided estimate of the edit."""
        step, null, source = self._index[level], self.null(level), self._source
        if source is None or (self.blend is None and step >= max(self._cross, self._itself)):
            return cfg(self.prior, self.wanted, null, self.scale)(z, level)
        z_src = level.alpha * source.z0 + level.sigma * source.eps
        b, cells = len(z), z[0, 0].numel() // 4 if step < self._itself else 0
        rows = slice(2 * b, 3 * b), slice(3 * b, 4 * b)
        words = self.words if step < self._cross else None
        maps = (
            None
            if self.blend is None
            else AttentionMaps(slice(2 * b, 4 * b), (z.shape[2], z.shape[3]))
        )
        asked = [null, null, self.there, self.wanted]
        with attention_control(self.prior, Injection(*rows, words, cells), maps):
            seen = self.prior.predict([z_src, z, z_src, z], level, asked)
        self._source = src = self._guided(seen[0], seen[2])
        tgt = self._guided(seen[1], seen[3])
        if self.blend is None or maps is None:
            return tgt
        m = self._mask(self.blend, maps.mean, step, tgt.z0)
        return Estimate(src.z0 + m * (tgt.z0 - src.z0), src.eps + m * (tgt.eps - src.eps))

    def _mask(self, blend: LocalBlend, maps: Tensor, step: int, like: Latent) -> Tensor:
        """(b, 1, h, w): where the edit may differ, by all maps so far."""
        there, wanted = maps.chunk(2)
        current = token_attention(there, blend.source), token_attention(wanted, blend.target)
        before = self._looks
        self._looks = (
            current if before is None else (before[0] + current[0], before[1] + current[1])
        )
        if step < round(blend.start * len(self._index)):
            return torch.ones_like(like[:, :1])
        shape = like.shape[2], like.shape[3]
        either = [quantile_mask(each, blend.threshold, shape) for each in self._looks]
        return torch.maximum(*either).to(like)

    def _guided(self, null: Estimate, told: Estimate) -> Estimate:
        w = self.scale
        z0 = null.z0 + w * (told.z0 - null.z0)
        return Estimate(z0, null.eps + w * (told.eps - null.eps))
