"""Every pipeline that is built tiny, by its name: what is special about it."""

from . import cascades, singles, stable_diffusion
from .build import Tiny, mask, picture, rows, small_references
from .encoders import WIDTH
from .networks import FLUX_KL
from .schedulers import DYNAMIC

SD3 = {"vae": {**FLUX_KL, "scaling_factor": 1.5305, "shift_factor": 0.0609}}
SD3 |= {"text_encoder_3": {"d_model": 2 * WIDTH}}
FLUX = {"vae": FLUX_KL, "scheduler": DYNAMIC}
KONTEXT_CALL = {"_auto_resize": False, "max_area": 64 * 64}
PIXART = {"vae": {"scaling_factor": 0.13025}, "scheduler": "DPMSolverMultistepScheduler"}
NO_BINS = {"use_resolution_binning": False}
SANA = {"scheduler": "FlowMatchEulerDiscreteScheduler"}
SANA_CALL = {**NO_BINS, "complex_human_instruction": None}
SPRINT = {
    "transformer": {"guidance_embeds": True, "qk_norm": "rms_norm_across_heads"},
    "scheduler": "SCMScheduler",
}
SPRINT_CALL = {**SANA_CALL, "intermediate_timesteps": None}
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
Z_CONTROL = {**Z_IMAGE, "controlnet": {"control_in_dim": 16}}
KLEIN = {"scheduler": DYNAMIC, "transformer": {"guidance_embeds": False}}
PAG = {"pag_applied_layers": ["blocks.1"]}

TINY = {
    **stable_diffusion.TINY,
    **rows(
        SD3,
        {},
        "StableDiffusion3Pipeline",
        "StableDiffusion3Img2ImgPipeline",
        "StableDiffusion3InpaintPipeline",
    ),
    **rows({**SD3, **PAG}, {}, "StableDiffusion3PAGPipeline", "StableDiffusion3PAGImg2ImgPipeline"),
    **rows(SD3, {}, "StableDiffusion3ControlNetPipeline"),
    **rows(
        {**SD3, "controlnet": {"extra_conditioning_channels": 1}},
        {"control_mask": mask},
        "StableDiffusion3ControlNetInpaintingPipeline",
    ),
    **rows(
        FLUX,
        {},
        "FluxPipeline",
        "FluxImg2ImgPipeline",
        "FluxInpaintPipeline",
    ),
    **rows(FLUX, KONTEXT_CALL, "FluxKontextPipeline", "FluxKontextInpaintPipeline"),
    **rows(
        FLUX,
        {},
        "FluxControlNetPipeline",
        "FluxControlNetImg2ImgPipeline",
        "FluxControlNetInpaintPipeline",
    ),
    **rows(
        {**FLUX, "transformer": {"in_channels": 128, "out_channels": 64}},
        {},
        "FluxControlPipeline",
        "FluxControlImg2ImgPipeline",
        "FluxControlInpaintPipeline",
    ),
    **rows(
        {**FLUX, "transformer": {"in_channels": 384, "out_channels": 64}}, {}, "FluxFillPipeline"
    ),
    **rows(PIXART, NO_BINS, "PixArtAlphaPipeline", "PixArtSigmaPipeline"),
    **rows({**PIXART, **PAG}, NO_BINS, "PixArtSigmaPAGPipeline"),
    **rows(SANA, SANA_CALL, "SanaPipeline", "SanaControlNetPipeline"),
    **rows({**SANA, "pag_applied_layers": ["transformer_blocks.0"]}, SANA_CALL, "SanaPAGPipeline"),
    **rows(SPRINT, SPRINT_CALL, "SanaSprintPipeline", "SanaSprintImg2ImgPipeline"),
    **rows(
        QWEN,
        QWEN_CALL,
        "QwenImagePipeline",
        "QwenImageImg2ImgPipeline",
        "QwenImageInpaintPipeline",
        "QwenImageControlNetPipeline",
    ),
    **{
        name: Tiny(name, QWEN, QWEN_CALL, small_references)
        for name in (
            "QwenImageEditPipeline",
            "QwenImageEditInpaintPipeline",
            "QwenImageEditPlusPipeline",
        )
    },
    **rows(
        {**QWEN, "controlnet": {"extra_condition_channels": 4}},
        {**QWEN_CALL, "control_mask": mask},
        "QwenImageControlNetInpaintPipeline",
    ),
    **rows(Z_IMAGE, {}, "ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
    **rows(Z_CONTROL, {}, "ZImageControlNetPipeline"),
    **rows(
        {**Z_IMAGE, "controlnet": {"control_in_dim": 33}}, {}, "ZImageControlNetInpaintPipeline"
    ),
    **rows({"scheduler": DYNAMIC}, {"text_encoder_out_layers": (0, 1, 2)}, "Flux2Pipeline"),
    **rows(
        KLEIN,
        {"text_encoder_out_layers": (0, 1, 2)},
        "Flux2KleinPipeline",
        "Flux2KleinInpaintPipeline",
        "Flux2KleinKVPipeline",
    ),
    **rows(FLUX, {}, "ChromaPipeline", "ChromaImg2ImgPipeline"),
    "ZImageOmniPipeline": Tiny(
        "ZImageOmniPipeline",
        {**Z_IMAGE, "transformer": {"siglip_feat_dim": WIDTH}},
        {"image": lambda: [picture()]},
        lambda pipe: pipe.vae.bfloat16(),  # its call casts pictures to it
    ),
    **singles.TINY,
    **cascades.TINY,
}
