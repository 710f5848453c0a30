"""The appliance as containers: what `up --compose` checks, builds, starts and asks."""
