"""Benchmarks: medians and percentiles of one run, printed and never asserted. `python -m benchmarks` runs them."""
