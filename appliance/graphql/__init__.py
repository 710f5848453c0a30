"""GraphQL: one schema of what the concepts export, and the one address that answers it."""
