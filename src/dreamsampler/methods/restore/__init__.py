"""Restoration methods: one file each, and one entry below."""

from dreamsampler.methods.entry import DPS, FLOWDPS, OURS, PAPER, PSLD, TREG, Method

METHODS: tuple[Method, ...] = (
    Method(
        "default",
        "DreamSampler",
        "restore",
        "dreamsampler.methods.restore.default:run",
        {"num_inference_steps": 20, "guidance_scale": 1.0}
        | {"starts": (0.3, 0.2, 0.2, 0.2), "spread": 0.5},
        OURS,
        "best measured, for any operator",
        20,
    ),
    Method(
        "treg",
        "TReg",
        "restore",
        "dreamsampler.methods.restore.treg:run",
        {"num_inference_steps": 50, "guidance_scale": 7.5, "adaptive_negation": False},
        TREG,
        "follows its prompt most; for linear operators",
        100,
        linear=True,
    ),
    Method(
        "flowdps",
        "FlowDPS",
        "restore",
        "dreamsampler.methods.restore.flowdps:run",
        {"num_inference_steps": 28, "guidance_scale": 2.0, "shift": 3.0},
        FLOWDPS,
        "for any operator",
        56,
    ),
    Method(
        "dps",
        "DPS",
        "restore",
        "dreamsampler.methods.restore.dps:run",
        {"num_inference_steps": 200, "guidance_scale": 1.0, "gluing": 0.0},
        DPS,
        "its samples have the truest spread; slow, for any operator",
        200,
    ),
    Method(
        "psld",
        "PSLD",
        "restore",
        "dreamsampler.methods.restore.dps:run",
        {"num_inference_steps": 200, "guidance_scale": 1.0, "gluing": 0.1},
        PSLD,
        "DPS with a gluing term; slow, for linear operators",
        200,
        linear=True,
    ),
    Method(
        "dreamsampler",
        "DreamSampler, paper",
        "restore",
        "dreamsampler.methods.restore.dreamsampler:run",
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
