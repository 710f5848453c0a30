"""Encrypted copies of everything that is not in a bundle, and the way back from one."""
