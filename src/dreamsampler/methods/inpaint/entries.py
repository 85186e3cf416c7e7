"""The inpainting methods: one file each, and one entry here."""

from functools import partial

from dreamsampler.methods.entry import DPS, FLOWDPS, OURS, PAPER, PSLD, TREG, Method

_method = partial(Method, "inpaint")
METHODS: tuple[Method, ...] = (
    _method(
        "default",
        "DreamSampler",
        {"num_inference_steps": 20, "guidance_scale": 5.0, "fresh": 0.5, "redraw": 0.4},
        OURS,
        "begin with it: colors that meet those around the hole",
        40,
        toned=True,
    ),
    _method(
        "anchored",
        "DreamSampler, anchored",
        {"num_inference_steps": 20, "guidance_scale": 5.0, "fresh": 0.5},
        OURS,
        "the default up to version 0.2.0, whose holes may show by their tone",
        40,
    ),
    _method(
        "blended_diffusion",
        "blended latent diffusion",
        {"num_inference_steps": 50, "guidance_scale": 7.5},
        "Avrahami et al., Blended latent diffusion, SIGGRAPH 2023 (arXiv:2206.02779)",
        "the common way, to compare with",
        100,
    ),
    _method(
        "repaint",
        "RePaint, jumps of one",
        {"num_inference_steps": 25, "guidance_scale": 7.5, "visits": 10},
        "Lugmayr et al., RePaint, CVPR 2022 (arXiv:2201.09865)",
        "the hole agrees well with its surroundings; slow",
        482,
    ),
    _method(
        "dps",
        "DPS",
        {"num_inference_steps": 200, "guidance_scale": 1.0, "gluing": 0.0},
        DPS,
        "to compare with; slow",
        200,
        function="dreamsampler.methods.restore.dps:run",
    ),
    _method(
        "psld",
        "PSLD",
        {"num_inference_steps": 200, "guidance_scale": 1.0, "gluing": 0.1},
        PSLD,
        "to compare with; slow",
        200,
        function="dreamsampler.methods.restore.dps:run",
    ),
    _method(
        "treg",
        "TReg",
        {"num_inference_steps": 50, "guidance_scale": 7.5},
        TREG,
        "to compare with",
        100,
        function="dreamsampler.methods.restore.treg:run",
    ),
    _method(
        "flowdps",
        "FlowDPS",
        {"num_inference_steps": 28, "guidance_scale": 2.0, "shift": 3.0},
        FLOWDPS,
        "to compare with",
        56,
        function="dreamsampler.methods.restore.flowdps:run",
    ),
    _method(
        "dreamsampler",
        "DreamSampler, paper",
        {"num_inference_steps": 200},
        PAPER,
        "as published, to compare with; many times slower",
        457,
        negative_prompt="unused",
        table=True,
    ),
)
"""The default one first."""
REMOVE = _method(
    "remove",
    "pieces of the surroundings",
    {"num_inference_steps": 4},
    "Wexler, Shechtman & Irani, Space-time completion of video, TPAMI 2007; Zhang et al., DPIR, "
    "TPAMI 2021 (arXiv:2008.13751)",
    "with remove, which takes no prompt",
    4,
    draws=False,
    negative_prompt="unused",
)
"""What `remove` runs; it is no choice of `method`."""
