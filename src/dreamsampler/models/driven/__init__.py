"""Any diffusers pipeline as a prior: its own call is held open and asked step by step."""
