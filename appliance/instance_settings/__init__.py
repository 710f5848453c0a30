"""What an admin sets for the whole instance, and where its parts are reached."""
