"""This library measured beside baselines, and what it costs: `python -m benchmarks --help`."""
