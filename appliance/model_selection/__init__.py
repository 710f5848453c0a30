"""Which models there are to choose from, and who chose which: instance, groups, gateway."""
