"""What is to be done by the clock while the services run."""
