"""What an AI action reads: projects, and later what is in them."""
