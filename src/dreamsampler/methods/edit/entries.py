"""The editing methods: one file each, and one entry here."""

from functools import partial

from dreamsampler.methods.entry import OURS, PAPER, Method

_P2P = "Hertz et al., Prompt-to-Prompt, ICLR 2023 (arXiv:2208.01626)"
_LEDITS = "Brack et al., LEDITS++, CVPR 2024 (arXiv:2311.16711)"
_INVERSION = {"num_inference_steps": 50, "guidance_scale": 7.5, "strength": None, "skip": 0.0}
_EXCHANGE = {"cross_share": 0.8, "self_share": 0.4, "inner_steps": 0}
"""Published shares of the steps; inner_steps 0 is negative-prompt inversion, which is cheap."""
_DISTILLED = {"num_inference_steps": 200, "guidance_scale": 7.5, "rate": 0.1 * 2000 / 64**2}
"""Published learning rate, times the loss's factor, over the cells of 512 pixels."""

_method = partial(Method, "edit")
_inversion = partial(_method, draws=False, source_prompt="needed", negative_prompt="unused")

METHODS: tuple[Method, ...] = (
    _method(
        "default",
        "DreamSampler",
        {"num_inference_steps": 16, "guidance_scale": 5.0, "strength": 0.75, "redraw": 0.8},
        OURS,
        "begin with it: few steps, clean colors, and the background stays",
        48,
        source_prompt="used",
    ),
    _method(
        "anchored",
        "DreamSampler, anchored",
        {"num_inference_steps": 16, "guidance_scale": 5.0, "strength": 0.75},
        OURS,
        "the default up to version 0.2.0; keeps texture of the source, and smears of it",
        48,
        source_prompt="used",
    ),
    _method(
        "instruct",
        "instruction",
        {"num_inference_steps": 28, "guidance_scale": 4.0, "guidance": None},
        "the model's own; Brooks et al., InstructPix2Pix, CVPR 2023 (arXiv:2211.09800)",
        "for models that edit by instruction; what did not change keeps its pixels",
        56,
        reference=True,
    ),
    _method(
        "sdedit",
        "SDEdit",
        _INVERSION | {"skip": 0.2, "guidance": None},
        "Meng et al., SDEdit, ICLR 2022 (arXiv:2108.01073)",
        "the common image-to-image; redraws the whole picture",
        80,
    ),
    _method(
        "ddim_inversion",
        "DDIM inversion",
        _INVERSION,
        "Song, Meng & Ermon, DDIM, ICLR 2021 (arXiv:2010.02502)",
        "the simplest inversion, to compare with",
        150,
        draws=False,
        source_prompt="used",
    ),
    _inversion(
        "negative_prompt_inversion",
        "negative-prompt inversion",
        _INVERSION,
        "Miyake et al., Negative-prompt inversion, WACV 2025 (arXiv:2305.16807)",
        "an inversion that keeps more of the source, without a search",
        150,
    ),
    _inversion(
        "null_text_inversion",
        "null-text inversion",
        _INVERSION | {"inner_steps": 10},
        "Mokady et al., Null-text inversion, CVPR 2023 (arXiv:2211.09794)",
        "an inversion that retraces the source exactly; slow",
        750,
    ),
    _inversion(
        "prompt_to_prompt",
        "Prompt-to-Prompt",
        _INVERSION | _EXCHANGE | {"blend": None, "blend_start": 0.2},
        _P2P,
        "a word is replaced and the layout stays",
        230,
        attention=True,
    ),
    _inversion(
        "prompt_to_prompt_blended",
        "Prompt-to-Prompt, local blending",
        _INVERSION | _EXCHANGE | {"blend": 0.3, "blend_start": 0.2},
        _P2P,
        "a word is replaced and the background stays",
        250,
        attention=True,
        function="dreamsampler.methods.edit.prompt_to_prompt:run",
    ),
    _method(
        "ddpm_inversion",
        "DDPM inversion",
        {"num_inference_steps": 100, "guidance_scale": 15.0, "source_guidance_scale": 3.5}
        | {"strength": None, "skip": 0.36},
        "Huberman-Spiegelglas et al., Edit-friendly DDPM, CVPR 2024 (arXiv:2304.06140)",
        "variations of an edit by the seed; the texture of the source stays",
        256,
        source_prompt="used",
    ),
    _method(
        "ledits",
        "LEDITS++",
        # tuned for 20 levels; published for Stable Diffusion: 42 of 50, threshold 0.9
        {"num_inference_steps": 20, "guidance_scale": 7.5, "strength": 0.65, "skip": 0.15}
        | {"threshold": 0.7, "words": "all"},
        _LEDITS,
        "changes less and keeps more than the default; for UNets",
        60,
        negative_prompt="unused",
        attention=True,
    ),
    _method(
        "ledits_no_attention",
        "LEDITS++, no attention",
        {"num_inference_steps": 50, "guidance_scale": 5.0, "strength": None, "skip": 0.15}
        | {"threshold": 0.9, "words": None},
        _LEDITS,
        "LEDITS++ for models without attention maps",
        126,
        negative_prompt="unused",
        function="dreamsampler.methods.edit.ledits:run",
    ),
    _method(
        "sds",
        "SDS",
        _DISTILLED,
        "Poole et al., DreamFusion, ICLR 2023 (arXiv:2209.14988)",
        "score distillation, to compare with",
        400,
    ),
    _method(
        "dds",
        "DDS",
        _DISTILLED,
        "Hertz et al., Delta denoising score, ICCV 2023 (arXiv:2304.07090)",
        "score distillation that stays near the source",
        799,
        source_prompt="used",
        negative_prompt="unused",
    ),
    _method(
        "pds",
        "PDS",
        {"num_inference_steps": 200, "guidance_scale": 100.0, "rate": 0.1, "skip": 2},
        "Koo, Park & Sung, Posterior distillation sampling, CVPR 2024 (arXiv:2311.13831)",
        "score distillation with a term that keeps the source",
        799,
        source_prompt="used",
        negative_prompt="unused",
        table=True,
    ),
    _method(
        "flowedit",
        "FlowEdit",
        # published for Stable Diffusion 3: the last 33 of 50 steps, spaced with shift 3
        {"num_inference_steps": 33, "guidance_scale": 13.5, "source_guidance_scale": 3.5}
        | {"strength": 0.853, "shift": 3.0},
        "Kulikov et al., FlowEdit, ICCV 2025 (arXiv:2412.08629)",
        "made for Stable Diffusion 3; large changes of shape",
        131,
        source_prompt="used",
    ),
    _method(
        "dreamsampler",
        "DreamSampler, paper",
        {"num_inference_steps": 200, "gamma": 0.2, "shifted": True},
        PAPER,
        "as published, to compare with; many times slower",
        600,
        draws=False,
        negative_prompt="unused",
        table=True,
        keeps_pixels=False,
    ),
)
"""The default one first."""
