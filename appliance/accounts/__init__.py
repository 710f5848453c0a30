"""Who may speak to the instance: users, and the personal access tokens they do it with."""
