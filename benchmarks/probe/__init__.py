"""The resume contract as a probe that anyone can run on any system: see `python -m benchmarks.probe --help`."""
