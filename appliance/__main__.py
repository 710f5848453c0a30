"""Starts the instance, fills it for the first time, and does local admin work."""
