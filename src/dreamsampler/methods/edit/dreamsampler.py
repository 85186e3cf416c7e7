"""The published editing of DreamSampler."""

from __future__ import annotations

from collections.abc import Iterator

from dreamsampler.guidance import cfg_pp, conditional, gamma
from dreamsampler.maths import Latent, Step, VariancePreserving
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.methods.published import paper_levels, table_of, up_and_down
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import trailing


def dreamsampler(
    prior: Prior,
    z_src: Latent,
    condition: Condition,
    null: Condition,
    steps: int = 200,
    weight: float = 0.2,
    negligible: float = 0.0,
    regularize: Regularizer = identity,
    *,
    shifted: bool = True,
) -> Iterator[Step]:
    """The published editing: invert with the null prompt, come back under gamma alpha_bar.

        z0 = z0(null) + gamma alpha_bar (z0(c) - z0(null)),   renoise with eps(null)

    Every level and its shift are the published program's (`paper_levels`). It needs 3 N network
    evaluations where the program makes 4 N, because the inversion only uses one of the two.

    Args:
        prior: the model; the published form needs a table of alphas_cumprod.
        negligible: leave the prompt out where gamma alpha_bar is at most this; 0.02 saves a
            tenth to a quarter of the evaluations, 0 is exact.
        regularize: further maps on the way down, such as a mask; published: none.
        shifted: pair the network's times with the published program's rates; False with the
            model's own, on the way up as well, on any schedule.

    Raises:
        ValueError: a prior whose schedule is no table, but with shifted=False.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.1.
    """
    if shifted:
        remedy = ": pass shifted=False for its form on any other"
        up, down, _ = paper_levels(table_of(prior, "the published editing", remedy), steps)
    else:
        schedule = prior.schedule
        table = isinstance(schedule, VariancePreserving)
        down = paper_levels(schedule, steps)[2] if table else trailing(schedule, steps)
        up = down[::-1]
    edit = cfg_pp(prior, condition, null, gamma(weight)).skipping(negligible)
    return up_and_down(conditional(prior, null), edit, z_src, up, down, regularize)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    steps, pair = settings["num_inference_steps"], (inputs.condition, inputs.null)
    how = {"regularize": inputs.regularize, "shifted": settings["shifted"]}
    edit = dreamsampler(inputs.prior, inputs.z_src, *pair, steps, settings["gamma"], **how)
    return edit, 2 * steps
