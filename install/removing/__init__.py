"""Takes an appliance off a machine: all of it, or all but its data."""
