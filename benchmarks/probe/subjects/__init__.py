"""The systems that are probed, each behind `benchmarks.probe.subject.Subject`."""
