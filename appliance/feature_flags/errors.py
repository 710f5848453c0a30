"""What can go wrong with feature flags."""

from collections.abc import Sequence

from appliance.errors import NotFoundError


class FlagNotFoundError(NotFoundError):
    """No file defines such a flag, and nothing is left of one; `near` may have been meant."""

    code = "feature_flag_not_found"

    def __init__(self, near: Sequence[str]) -> None:
        super().__init__(what="Feature flag")
        self.near = tuple(near)
        hint = f": did you mean {' or '.join(near)}?" if near else "; `GET /features` lists all."
        self.args = (f"{self.args[0]}{hint}",)
