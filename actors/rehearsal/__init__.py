"""Rehearsal: a deterministic, OpenAI-compatible stand-in model server on the loopback.

It holds the wire, the rules that stand in for a model, scripted answers and faults, and the server's life.
It must not know Ray, the runtime or the `openai` package: it is reached through HTTP like any other provider.
"""
