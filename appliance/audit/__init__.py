"""Who did what: a hash-chained log of what admins do and of what was refused."""
