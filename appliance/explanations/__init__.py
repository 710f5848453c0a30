"""Why a request was permitted or refused, and what would change it."""
