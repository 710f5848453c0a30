"""The appliance as containers, on a real Docker engine that has no way out."""
