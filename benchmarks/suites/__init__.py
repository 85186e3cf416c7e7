"""One file a suite: `python -m benchmarks SUITE` ([how](../../docs/benchmarks.md))."""
