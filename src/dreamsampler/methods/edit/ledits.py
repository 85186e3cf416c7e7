"""LEDITS++: replayed noise, and guidance only where the edit is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from dreamsampler.guidance import attention_mask, conditional, largest, predict_batch
from dreamsampler.maths import Estimate, Latent, Level, Rng, Step
from dreamsampler.methods.edit.ddpm_inversion import replayed
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.models import changed_tokens, word_tokens
from dreamsampler.models.attention import AttentionMaps, attention_control, check_attention
from dreamsampler.models.counting import counted_family
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, identity

LATE = 0.8
"""Above this time the difference does not yet locate the edit, and attention alone decides: step
800 of 1000 in the authors' program."""


def ledits(
    prior: Prior,
    z_src: Latent,
    condition: Condition,
    null: Condition,
    levels: Sequence[Level],
    rng: Rng,
    guidance_scale: float = 5.0,
    threshold: float = 0.75,
    *,
    words: Tensor | None = None,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """LEDITS++: replayed noise, guidance where it is largest and where its words have attention.

        psi = eps(c; z) - eps(null; z)
        M1  = attention to the words of c is above its quantile `threshold` (`attention_mask`)
        M2  = mean |psi| above its quantile `threshold`
        est = est(null; z) + w M1 M2 (est(c; z) - est(null; z)),   source: est(null; x_t)

    M1 is read off the same forward as psi; where t > 0.8, it is the only mask. Without `words`
    there is no M1, so that any network will do: `LEDITS++, no attention` in the tables.
    Noise is replayed as in `ddpm_inversion`: DDPM's solver, one of the two in the authors' program;
    the other one, a stochastic DPM-Solver++ of second order, is left out.

    Args:
        prior: the model; with `words` a `NetworkPrior` around a UNet2DConditionModel.
        levels: falling; published: the last 75 to 85 % of 50.
        guidance_scale: w; published 5 to 15.
        threshold: share of the picture that stays; published 0.75 to 0.9.
        words: (b or 1, n), 1 at the tokens of the edit (`word_tokens`; published: all of its
            prompt's, which names the edit and nothing else); None leaves M1 out; no word at
            all leaves it white.
        regularize: further maps on the edit's estimate, such as a drawn mask.

    Raises:
        ModelError: words for a network without attention maps.
        ValueError: a threshold outside [0, 1).

    Source: Brack et al., "LEDITS++", CVPR 2024 (arXiv:2311.16711), textual editing and semantic
    grounding, in the order of the authors' program.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold is {threshold}, but must lie in [0, 1)")
    if words is not None:
        check_attention(prior)
    word, empty = conditional(prior, condition), conditional(prior, null)

    def pair(z: Latent, x_t: Latent, level: Level) -> tuple[Estimate, Estimate]:
        batch = [(word, z), (empty, z), (empty, x_t)]
        if words is None:
            tgt, nothing, src = predict_batch(batch, level)
            mask = None
        else:
            maps = AttentionMaps(slice(0, len(z)), (z.shape[2], z.shape[3]))
            with attention_control(prior, maps=maps):
                tgt, nothing, src = predict_batch(batch, level)
            mask = attention_mask(maps.mean, words, threshold, (z.shape[2], z.shape[3])).to(z)
        if mask is None or level.t <= LATE:
            size = (tgt.eps - nothing.eps).abs().mean(1, keepdim=True)
            own = largest(size, threshold)
            mask = own if mask is None else mask * own
        return nothing.lerp(tgt, guidance_scale * mask), src

    return replayed(pair, z_src, levels, rng, regularize=regularize)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered; setting words: all of the target prompt's, the changed ones, or None."""
    prior, levels, words = inputs.prior, inputs.levels(settings), None
    if settings["words"] is not None:
        real = counted_family(prior)
        check_attention(real or prior)
        if real is None:  # a model that only counts has no tokens, and attention costs nothing
            source, target = zip(*inputs.prompts, strict=True)
            changed = settings["words"] == "changed"
            words = (
                changed_tokens(prior, source, target)[1] if changed else word_tokens(prior, target)
            )
    steps = ledits(
        prior,
        inputs.z_src,
        inputs.condition,
        inputs.null,
        levels,
        inputs.rng,
        settings["guidance_scale"],
        settings["threshold"],
        words=words,
        regularize=inputs.regularize,
    )
    return steps, len(levels)
