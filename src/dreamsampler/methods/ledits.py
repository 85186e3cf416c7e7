"""LEDITS++: replayed noise, and guidance only where the edit is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from dreamsampler.guidance import attention_mask, conditional, largest, together
from dreamsampler.maths import Estimate, Latent, Level, Rng, Step
from dreamsampler.methods.inversion import replayed
from dreamsampler.models.attention import AttentionMaps, attention_control, check_attention
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, chain

LATE = 0.8
"""Above this time the difference says nothing yet about places, and attention alone decides: step
800 of 1000 in the authors' program."""


def ledits(
    prior: Prior,
    z_src: Latent,
    wanted: Condition,
    null: Condition,
    levels: Sequence[Level],
    rng: Rng,
    guidance_scale: float = 5.0,
    threshold: float = 0.75,
    *,
    words: Tensor | None = None,
    regularize: Regularizer = chain(),  # noqa: B008 - the identity, and stateless
) -> Iterator[Step]:
    """LEDITS++: replayed noise, guidance only where it is largest and where its words are seen.

        psi = eps(c; z) - eps(null; z)
        M1  = where the words of c are attended to, above its quantile `threshold` (`attended`)
        M2  = mean |psi| above its quantile `threshold`
        est = est(null; z) + w M1 M2 (est(c; z) - est(null; z)),   source: est(null; x_t)

    M1 is read off the very forward that psi comes from; where t > 0.8, it stands alone. Without
    `words` there is no M1, so that any network will do: `LEDITS++, no attention` in the tables.
    Noise is replayed as in `ddpm_inversion`: DDPM's solver, one of the two in the authors' program;
    the other one, a stochastic DPM-Solver++ of second order, is left out.

    Args:
        prior: the model; with `words` a `NetworkPrior` around a UNet2DConditionModel.
        z_src: clean latent of the source.
        wanted: the prompt of the edit.
        null: the empty prompt's, under which the source is read.
        levels: falling; published: the last 75 to 85 % of 50.
        rng: one generator per image.
        guidance_scale: w; published 5 to 15.
        threshold: share of the picture that stays; published 0.75 to 0.9.
        words: (b or 1, n), 1 at the tokens of the edit (`word_tokens`; published: all of its
            prompt's, which names the edit and nothing else); None leaves M1 out; no word at
            all leaves it white.
        regularize: further maps on the edit's estimate, such as a drawn mask.

    Raises:
        ModelError: words for a network whose attention cannot be seen.
        ValueError: a threshold outside [0, 1).

    Source: Brack et al., "LEDITS++", CVPR 2024 (arXiv:2311.16711), textual editing and semantic
    grounding, in the order of the authors' program.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold is {threshold}, but must lie in [0, 1)")
    if words is not None:
        check_attention(prior)
    word, empty = conditional(prior, wanted), conditional(prior, null)

    def pair(z: Latent, there: Latent, level: Level) -> tuple[Estimate, Estimate]:
        asked = [(word, z), (empty, z), (empty, there)]
        if words is None:
            seen, nothing, src = together(asked, level)
            mask = None
        else:
            maps = AttentionMaps(slice(0, len(z)), (z.shape[2], z.shape[3]))
            with attention_control(prior, maps=maps):
                seen, nothing, src = together(asked, level)
            mask = attention_mask(maps.mean, words, threshold, (z.shape[2], z.shape[3])).to(z)
        if mask is None or level.t <= LATE:
            size = (seen.eps - nothing.eps).abs().mean(1, keepdim=True)
            own = largest(size, threshold)
            mask = own if mask is None else mask * own
        w = guidance_scale * mask
        return Estimate(
            nothing.z0 + w * (seen.z0 - nothing.z0), nothing.eps + w * (seen.eps - nothing.eps)
        ), src

    return replayed(pair, z_src, levels, rng, regularize=regularize)
