"""Direct access for editors and agents: what they ask the instance before they call the gateway."""
