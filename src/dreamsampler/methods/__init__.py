"""Published methods, each a few lines on the one loop; the functions are loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamsampler.methods.edit.ddim_inversion import ddim_inversion
    from dreamsampler.methods.edit.ddpm_inversion import ddpm_inversion
    from dreamsampler.methods.edit.dds import dds
    from dreamsampler.methods.edit.default import anchored_edit
    from dreamsampler.methods.edit.dreamsampler import dreamsampler
    from dreamsampler.methods.edit.flowedit import flow_edit, flow_share
    from dreamsampler.methods.edit.ledits import ledits
    from dreamsampler.methods.edit.negative_prompt_inversion import negative_prompt_inversion
    from dreamsampler.methods.edit.null_text_inversion import null_text_inversion
    from dreamsampler.methods.edit.pds import pds, pds_weights
    from dreamsampler.methods.edit.prompt_to_prompt import LocalBlend, prompt_to_prompt
    from dreamsampler.methods.edit.sdedit import sdedit
    from dreamsampler.methods.edit.sds import sdi, sds
    from dreamsampler.methods.inpaint.blended_diffusion import blended_diffusion
    from dreamsampler.methods.inpaint.default import anchored_inpainting
    from dreamsampler.methods.inpaint.dreamsampler import (
        consistent,
        dreamsampler_inpainting,
        prompted,
    )
    from dreamsampler.methods.inpaint.repaint import repaint
    from dreamsampler.methods.inputs import RunningMean
    from dreamsampler.methods.published import paper_levels
    from dreamsampler.methods.restore.default import (
        anchored_restoration,
        averaged_restoration,
        restarts,
    )
    from dreamsampler.methods.restore.dps import dps
    from dreamsampler.methods.restore.dreamsampler import dreamsampler_restoration
    from dreamsampler.methods.restore.flowdps import flowdps
    from dreamsampler.methods.restore.treg import treg
    from dreamsampler.methods.sampling import cfg_plus_plus, ddim, ddpm, dpm_solver

_HOMES = {
    "LocalBlend": "edit.prompt_to_prompt",
    "RunningMean": "inputs",
    "anchored_edit": "edit.default",
    "anchored_inpainting": "inpaint.default",
    "anchored_restoration": "restore.default",
    "averaged_restoration": "restore.default",
    "blended_diffusion": "inpaint.blended_diffusion",
    "cfg_plus_plus": "sampling",
    "consistent": "inpaint.dreamsampler",
    "ddim": "sampling",
    "ddim_inversion": "edit.ddim_inversion",
    "ddpm": "sampling",
    "ddpm_inversion": "edit.ddpm_inversion",
    "dds": "edit.dds",
    "dpm_solver": "sampling",
    "dps": "restore.dps",
    "dreamsampler": "edit.dreamsampler",
    "dreamsampler_inpainting": "inpaint.dreamsampler",
    "dreamsampler_restoration": "restore.dreamsampler",
    "flow_edit": "edit.flowedit",
    "flow_share": "edit.flowedit",
    "flowdps": "restore.flowdps",
    "ledits": "edit.ledits",
    "negative_prompt_inversion": "edit.negative_prompt_inversion",
    "null_text_inversion": "edit.null_text_inversion",
    "paper_levels": "published",
    "pds": "edit.pds",
    "pds_weights": "edit.pds",
    "prompt_to_prompt": "edit.prompt_to_prompt",
    "prompted": "inpaint.dreamsampler",
    "repaint": "inpaint.repaint",
    "restarts": "restore.default",
    "sdedit": "edit.sdedit",
    "sdi": "edit.sds",
    "sds": "edit.sds",
    "treg": "restore.treg",
}

__all__ = [
    "LocalBlend",
    "RunningMean",
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


def __getattr__(name: str) -> Any:
    """Load a public name's module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
