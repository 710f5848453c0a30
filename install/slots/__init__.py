"""What bundles bring in: two slots that take turns, and the steps from one to the other."""
