"""Starts vLLM, one process for each model, and keeps it alive."""
