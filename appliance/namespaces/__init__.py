"""Groups, their sub-groups, and who belongs to them."""
