"""Published methods, each a few lines on the one loop."""

from dreamsampler.methods.blending import blended_diffusion, repaint
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
from dreamsampler.methods.inversion import (
    ddim_inversion,
    ddpm_inversion,
    negative_prompt_inversion,
    sdedit,
)
from dreamsampler.methods.ledits import ledits
from dreamsampler.methods.null_text import null_text_inversion
from dreamsampler.methods.prompt_to_prompt import LocalBlend, prompt_to_prompt
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
    "LocalBlend",
    "anchored_edit",
    "anchored_inpainting",
    "anchored_restoration",
    "averaged_restoration",
    "blended_diffusion",
    "cfg_plus_plus",
    "consistent",
    "ddim",
    "ddim_inversion",
    "ddpm",
    "ddpm_inversion",
    "dds",
    "dpm_solver",
    "dps",
    "dreamsampler",
    "dreamsampler_inpainting",
    "dreamsampler_restoration",
    "flow_edit",
    "flow_share",
    "flowdps",
    "ledits",
    "negative_prompt_inversion",
    "null_text_inversion",
    "paper_levels",
    "pds",
    "pds_weights",
    "prompt_to_prompt",
    "prompted",
    "repaint",
    "restarts",
    "sdedit",
    "sdi",
    "sds",
    "treg",
]
