"""The actors that run user code and model turns. They hold no truth."""
