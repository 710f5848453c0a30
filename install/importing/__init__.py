"""Models that are carried in: checked, kept once however often they come, listed, served."""
