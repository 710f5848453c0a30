"""What an AI action reads: projects, and what lies in them."""
