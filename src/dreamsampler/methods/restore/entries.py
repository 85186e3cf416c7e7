"""The restoration methods: one file each, and one entry here."""

from functools import partial

from dreamsampler.methods.entry import (
    DDNM,
    DIFFPIR,
    DPIR,
    DPS,
    FLOWDPS,
    OURS,
    PAPER,
    PSLD,
    TREG,
    Method,
)

_method = partial(Method, "restore")
METHODS: tuple[Method, ...] = (
    _method(
        "default",
        "DreamSampler",
        {"num_inference_steps": 20, "guidance_scale": 1.0}
        | {"starts": (0.3, 0.2, 0.2, 0.2), "spread": 0.5},
        OURS,
        "best measured, for any operator",
        20,
    ),
    _method(
        "treg",
        "TReg",
        {"num_inference_steps": 50, "guidance_scale": 7.5, "adaptive_negation": False},
        TREG,
        "follows its prompt most; for linear operators",
        100,
        linear=True,
    ),
    _method(
        "flowdps",
        "FlowDPS",
        {"num_inference_steps": 28, "guidance_scale": 2.0, "shift": 3.0},
        FLOWDPS,
        "for any operator",
        56,
    ),
    _method(
        "dpir",
        "DPIR",
        {"num_inference_steps": 8, "guidance_scale": 1.0, "weight": 0.23},
        DPIR,
        "models of pixels: quickest, most faithful, for any operator",
        8,
        draws=False,
    ),
    _method(
        "diffpir",
        "DiffPIR",
        {"num_inference_steps": 100, "guidance_scale": 1.0, "weight": 1.0, "fresh": 0.1},
        DIFFPIR,
        "models of pixels: sharper samples than dpir, for any operator",
        100,
    ),
    _method(
        "ddnm",
        "DDNM",
        {"num_inference_steps": 100, "guidance_scale": 1.0, "eta": 0.85},
        DDNM,
        "models of pixels, measurements without noise; for linear operators",
        100,
        linear=True,
        function="dreamsampler.methods.restore.diffpir:run_ddnm",
    ),
    _method(
        "dps",
        "DPS",
        {"num_inference_steps": 200, "guidance_scale": 1.0, "gluing": 0.0},
        DPS,
        "its samples have the truest spread; slow, for any operator",
        200,
    ),
    _method(
        "psld",
        "PSLD",
        {"num_inference_steps": 200, "guidance_scale": 1.0, "gluing": 0.1},
        PSLD,
        "DPS with a gluing term; slow, for linear operators",
        200,
        linear=True,
        function="dreamsampler.methods.restore.dps:run",
    ),
    _method(
        "dreamsampler",
        "DreamSampler, paper",
        {"num_inference_steps": 200},
        PAPER,
        "the published alternation, to compare with; slow, for linear operators",
        457,
        negative_prompt="unused",
        table=True,
        linear=True,
    ),
)
"""The default one first."""
