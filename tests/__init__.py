"""The test suite. Shared fakes are imported as `tests.…`."""
