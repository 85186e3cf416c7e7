"""Change pictures with diffusion models: one loop, reverse sampling and score distillation at once."""
