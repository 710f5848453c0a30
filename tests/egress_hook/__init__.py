"""What every Python process that tests start begins with, by way of PYTHONPATH."""
