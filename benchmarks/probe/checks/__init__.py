"""One module for each promise: how it is put to the test, and what counts as broken."""
