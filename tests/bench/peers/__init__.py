"""Other gateways that the bench sets beside ours, each in an environment of its own."""
