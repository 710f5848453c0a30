"""Work of who is logged in to the machine itself: straight on the database, without the API."""
