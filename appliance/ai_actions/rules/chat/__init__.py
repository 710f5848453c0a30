"""What is said in a conversation, what is sent along, and what may be read for it."""
