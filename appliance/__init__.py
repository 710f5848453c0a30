"""The control plane: users, models, keys; mints access tokens."""
