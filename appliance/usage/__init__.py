"""What was used: events of the gateways, counted once, and their sums by day."""
