"""Licence files, what they buy, who has a seat, and what all that grants."""
