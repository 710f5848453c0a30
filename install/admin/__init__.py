"""What an administrator does through the instance's API: one module for each group of words."""
