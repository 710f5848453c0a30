"""The data plane: verifies access tokens, enforces feature and provider, forwards to a model."""
