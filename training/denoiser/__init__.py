"""The denoiser and its text encoder: latents, trainer, samples, export."""
