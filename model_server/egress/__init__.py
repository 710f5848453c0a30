"""Nothing of the model server leaves the machine; what tries is refused and kept in a ledger."""
