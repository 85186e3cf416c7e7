"""Options of schedulers, by class; a scheduler that is not listed has diffusers' own."""

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
DYNAMIC = {
    "shift": 3.0,
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}
"""FLUX's: the shift grows with the size of the picture."""
SCHEDULERS = {
    "DDIMScheduler": {
        **BETAS,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "EulerDiscreteScheduler": {**BETAS, "timestep_spacing": "leading", "steps_offset": 1},
    "DDIMParallelScheduler": {**BETAS, "clip_sample": False},
    "LCMScheduler": BETAS,
    "FlowMatchEulerDiscreteScheduler": {"shift": 3.0},
}
