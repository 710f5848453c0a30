"""Whose tokens are believed, and how one is verified."""
