"""The surfaces that clients speak, one module for each."""
