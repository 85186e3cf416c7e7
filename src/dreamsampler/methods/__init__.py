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
from dreamsampler.methods.sampling import cfg_plus_plus, ddim, ddpm, dpm_solver

__all__ = [
    "anchored_edit",
    "anchored_inpainting",
    "cfg_plus_plus",
    "consistent",
    "ddim",
    "ddpm",
    "dds",
    "dpm_solver",
    "dreamsampler",
    "dreamsampler_inpainting",
    "flow_edit",
    "flow_share",
    "paper_levels",
    "pds",
    "pds_weights",
    "prompted",
    "sdi",
    "sds",
]
