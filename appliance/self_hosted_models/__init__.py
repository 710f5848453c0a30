"""The models that the organisation runs itself: where they answer, and with which API key."""
