"""Side by side with every peer: frozen protocols, a record an item, tables with intervals, plots.

`dreamsampler bench SUITE` runs one from a checkout; [how](../../docs/benchmarks.md).
"""
