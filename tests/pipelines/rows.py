"""Every pipeline that is built tiny, by its name: what is special about it."""

from . import stable_diffusion
from .build import rows
from .encoders import WIDTH
from .networks import FLUX_KL
from .schedulers import DYNAMIC

SD3 = {"vae": {**FLUX_KL, "scaling_factor": 1.5305, "shift_factor": 0.0609}}
SD3 |= {"text_encoder_3": {"d_model": 2 * WIDTH}}
FLUX = {"vae": FLUX_KL, "scheduler": DYNAMIC}
PIXART = {"vae": {"scaling_factor": 0.13025}, "scheduler": "DPMSolverMultistepScheduler"}
NO_BINS = {"use_resolution_binning": False}
SANA = {"scheduler": "FlowMatchEulerDiscreteScheduler"}
SANA_CALL = {**NO_BINS, "complex_human_instruction": None}
SPRINT = {"transformer": {"guidance_embeds": True}, "scheduler": "SCMScheduler"}
QWEN = {
    "scheduler": {
        **DYNAMIC,
        "max_shift": 0.9,
        "max_image_seq_len": 8192,
        "shift_terminal": 0.02,
        "time_shift_type": "exponential",
    }
}
QWEN_CALL = {"max_sequence_length": 1024}
Z_IMAGE = {"vae": FLUX_KL}


TINY = {
    **stable_diffusion.TINY,
    **rows(SD3, {}, "StableDiffusion3Pipeline"),
    **rows(FLUX, {}, "FluxPipeline"),
    **rows(PIXART, NO_BINS, "PixArtAlphaPipeline", "PixArtSigmaPipeline"),
    **rows(SANA, SANA_CALL, "SanaPipeline"),
    **rows(SPRINT, SANA_CALL, "SanaSprintPipeline"),
    **rows(QWEN, QWEN_CALL, "QwenImagePipeline"),
    **rows(Z_IMAGE, {}, "ZImagePipeline"),
}
