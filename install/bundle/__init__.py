"""One signed file: how it is laid out, what it lists, whom it comes from.

All of it also runs on a machine that has no more than Python 3.9: standard library and old syntax.
"""
