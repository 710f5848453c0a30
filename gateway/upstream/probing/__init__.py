"""Tries a model's endpoint step by step; what fails has a name, a sentence and a fix."""

from gateway.upstream.probing.prober import ModelProber

__all__ = ["ModelProber"]
