"""Pure decisions over a run: the fold of its journal and what follows from it. No I/O, no clock, no randomness."""
