"""What was used, written down here until the instance has it."""
