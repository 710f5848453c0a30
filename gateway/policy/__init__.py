"""Decides whether a request is permitted; no I/O."""
