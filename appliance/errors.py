"""The root of everything that can go wrong in the instance, as facts that a caller can act on."""

from typing import ClassVar


class ApplianceError(Exception):
    """A refusal or a fault; `str()` is a sentence for the caller, free of secrets and addresses."""

    code: ClassVar[str] = "internal_error"


class InvalidFieldsError(ApplianceError):
    """Input that cannot be used; `fields` has one sentence for each field at fault."""

    code = "invalid_fields"

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in fields.items()))
        self.fields = fields


class ForbiddenError(ApplianceError):
    """The caller is known and may not do this."""

    code = "forbidden"


class ConflictError(ApplianceError):
    """It could be done if something else were not as it is."""

    code = "conflict"


class NotFoundError(ApplianceError):
    """What was asked for does not exist, or not for this caller."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"404 {what} Not Found")
        self.what = what
