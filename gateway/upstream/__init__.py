"""The model endpoints and the way to them."""
