"""What people ask of an AI through the instance: requests, how they are run, chat, and answers."""
