"""The models that this gateway brings: which there are, and where those are that it serves."""
