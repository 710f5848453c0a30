"""Joins the parts of the instance into one application."""
