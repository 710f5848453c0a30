"""One call of a model: carried, counted, and ended when it must be."""
