"""What gateways read from the instance, signed and sealed to each, and what they report back."""
