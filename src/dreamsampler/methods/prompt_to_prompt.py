"""Prompt-to-Prompt: the edit attends where the source attends, for the first share of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import final

from dreamsampler.generators import Canvas
from dreamsampler.maths import Estimate, Latent, Level, Moment
from dreamsampler.methods.null_text import NullText, Search, inverted
from dreamsampler.models.alignment import Alignment
from dreamsampler.models.attention import Injection, check_attention, injected
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.objectives import cfg, plain
from dreamsampler.objectives.negation import check_asked, check_movable
from dreamsampler.samplers import dream


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
) -> Iterator[Moment]:
    """Prompt-to-Prompt on a real picture: inversion, then both prompts side by side.

        up:    DDIM inversion under the source prompt (scale 1)
        back:  null_t of every level (`null_text_inversion`), or one null prompt for all of them
        down:  est(src; z_src) and est(tgt; z) from null_t, with maps
               M_tgt <- a M_src P + (1 - a) M_tgt   in cross-attention, for the first steps
               M_tgt <- M_src                       in self-attention, for the first steps

    The moments of all ways are yielded, of the way down those of the edit. Maps are exchanged in
    the prompts' own question only, not in that of the null prompt, and self-attention's where at
    most a quarter of the latent's cells attend, as published (32 of 64 a side). Its local blending
    and its weights for single words are left out.

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

    Raises:
        ModelError: another kind of network, or one whose attention is not its own.
        ValueError: a model that is told its guidance scale, or numbers out of range.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), algorithm 1; Mokady et
    al., "Null-text inversion", CVPR 2023 (arXiv:2211.09794), section 4, for real pictures.
    """
    check_attention(prior)
    _check_range(cross_share, self_share, inner_steps)
    check = check_movable if inner_steps else check_asked
    check(prior, wanted, null, guidance_scale, "Prompt-to-Prompt")

    def walk() -> Iterator[Moment]:
        up = yield from inverted(plain(prior, there), z_src, levels)
        top = up[-1].estimate
        nulls: dict[Level, Condition] = {}
        if inner_steps:
            found = NullText(prior, there, null, guidance_scale, up, Search(inner_steps))
            yield from dream(found, Canvas(top.z0), levels, top.eps)
            nulls = found.nulls

        def own(level: Level) -> Condition:
            return nulls.get(level, null)

        side = SideBySide(prior, there, wanted, own, guidance_scale, words)
        cross, itself = (round(s * len(levels)) for s in (cross_share, self_share))
        side.begin(levels, top, cross=cross, itself=itself)
        yield from dream(side, Canvas(top.z0), levels, top.eps)

    return walk()


def _check_range(cross_share: float, self_share: float, inner_steps: int) -> None:
    for name, share in (("cross_share", cross_share), ("self_share", self_share)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}, but must lie in [0, 1]")
    if inner_steps < 0:
        raise ValueError(f"inner_steps is {inner_steps}, but must be at least 0")


@final
class SideBySide:
    """Guidance towards a target prompt that attends as the source does, which walks beside it.

    After the last step with injection the source is left behind, and this is `cfg`.

    Args:
        prior: who is asked.
        there: the source prompt's condition.
        wanted: the target prompt's.
        null: level -> the null condition of both.
        guidance_scale: w of both.
        words: see `prompt_to_prompt`.
    """

    def __init__(
        self,
        prior: Prior,
        there: Condition,
        wanted: Condition,
        null: Callable[[Level], Condition],
        guidance_scale: float,
        words: Alignment,
    ) -> None:
        self.prior, self.there, self.wanted, self.null = prior, there, wanted, null
        self.scale, self.words = guidance_scale, words
        self._index: dict[Level, int] = {}
        self._cross = self._itself = 0
        self._source: Estimate | None = None

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

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """The guided estimate of the edit."""
        step, null, source = self._index[level], self.null(level), self._source
        if source is None or step >= max(self._cross, self._itself):
            return cfg(self.prior, self.wanted, null, self.scale)(z, level)
        z_src = level.alpha * source.z0 + level.sigma * source.eps
        b, cells = len(z), z[0, 0].numel() // 4 if step < self._itself else 0
        rows = slice(2 * b, 3 * b), slice(3 * b, 4 * b)
        words = self.words if step < self._cross else None
        asked = [null, null, self.there, self.wanted]
        with injected(self.prior, Injection(*rows, words, cells)):
            seen = self.prior.predict([z_src, z, z_src, z], level, asked)
        self._source = self._guided(seen[0], seen[2])
        return self._guided(seen[1], seen[3])

    def _guided(self, null: Estimate, told: Estimate) -> Estimate:
        w = self.scale
        z0 = null.z0 + w * (told.z0 - null.z0)
        return Estimate(z0, null.eps + w * (told.eps - null.eps))
