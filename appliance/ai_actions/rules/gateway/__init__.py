"""What the gateway is asked and says, and what its failures are called here."""
