"""Switches that turn features on and off: for all, a user, a group, or a share of users."""
