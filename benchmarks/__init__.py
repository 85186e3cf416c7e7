"""Measurements: ratios taken in one run, on any machine. `python -m benchmarks` lists them."""
