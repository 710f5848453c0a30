"""What is done with the choice of models."""

from appliance.model_selection.usecases.reading import (
    chain_of,
    choices_among,
    effective_in,
    offers,
    read_pool,
)

__all__ = ["chain_of", "choices_among", "effective_in", "offers", "read_pool"]
