"""Where there is a network: a bundle from a clone, its packages, its models and its images."""
