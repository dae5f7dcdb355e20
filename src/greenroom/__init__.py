"""Greenroom: a durable runtime for agents and workflows on Ray."""
