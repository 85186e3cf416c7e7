"""Published methods, each a few lines on the one loop."""

from dreamsampler.methods.distillation import dds, pds, pds_weights, sdi, sds
from dreamsampler.methods.editing import (
    anchored_edit,
    dreamsampler,
    flow_edit,
    flow_share,
    paper_levels,
)
from dreamsampler.methods.inpainting import (
    anchored_inpainting,
    consistent,
    dreamsampler_inpainting,
    prompted,
)
from dreamsampler.methods.restoration import (
    Found,
    anchored_restoration,
    averaged_restoration,
    dps,
    dreamsampler_restoration,
    flowdps,
    restarts,
    treg,
)
from dreamsampler.methods.sampling import cfg_plus_plus, ddim, ddpm, dpm_solver

__all__ = [
    "Found",
    "anchored_edit",
    "anchored_inpainting",
    "anchored_restoration",
    "averaged_restoration",
    "cfg_plus_plus",
    "consistent",
    "ddim",
    "ddpm",
    "dds",
    "dpm_solver",
    "dps",
    "dreamsampler",
    "dreamsampler_inpainting",
    "dreamsampler_restoration",
    "flow_edit",
    "flow_share",
    "flowdps",
    "paper_levels",
    "pds",
    "pds_weights",
    "prompted",
    "restarts",
    "sdi",
    "sds",
    "treg",
]
