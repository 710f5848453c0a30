"""Who asks, what they may, and which model they get."""
