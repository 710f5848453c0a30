"""What the services refused to let leave the machine, as their own ledgers tell it."""
