"""The command line: everything behind the `greenroom` console script."""
