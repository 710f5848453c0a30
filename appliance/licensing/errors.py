"""What can go wrong with licences, the keys behind them, purchases and seats."""

from datetime import datetime

from appliance.errors import ApplianceError, NotFoundError


class ClockWentBackError(ApplianceError):
    """The clock shows a time that was over before: what is minted now might never end."""

    code = "clock_went_back"

    def __init__(self, *, now: datetime, latest: datetime) -> None:
        super().__init__(
            f"The instance's clock shows {now:%Y-%m-%d %H:%M:%S} UTC, but "
            f"{latest:%Y-%m-%d %H:%M:%S} was already seen, so no access token is minted. Set the "
            "clock right. If it is right now and ran ahead before, run 'casemate clock accept' on "
            "the instance's machine."
        )


class LicenceError(ApplianceError):
    """A licence file, or a key for such, that is not taken."""

    code = "licence_invalid"


class LicenceUnreadableError(LicenceError):
    """Not a licence file of the form this release knows; `reason` names the place."""

    code = "licence_unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This is no licence file that this release can read: {reason}. "
            "Upload the file as it was issued."
        )
        self.reason = reason


class LicenceForgedError(LicenceError):
    """The signature does not belong to the document."""

    code = "licence_forged"

    def __init__(self) -> None:
        super().__init__(
            "The licence file's signature does not match its content: it was changed after it was "
            "issued. Ask who issued it for a fresh copy."
        )


class LicenceAuthorityUnknownError(LicenceError):
    """Signed by a key that this instance does not trust."""

    code = "licence_authority_unknown"

    def __init__(self, *, presented: str, trusted: str | None) -> None:
        trusts = f"trusts {trusted}" if trusted else "trusts no licence authority yet"
        super().__init__(
            f"The licence was signed by {presented}, but this instance {trusts}. "
            "Ask for one that is signed by the trusted authority, or hand over to the other first."
        )


class LicenceForeignError(LicenceError):
    """Issued for another instance."""

    code = "licence_foreign"

    def __init__(self, *, issued_for: str, instance_id: str) -> None:
        super().__init__(
            f"The licence was issued for the instance {issued_for}; this one is {instance_id}. "
            "Ask for a licence with this instance's id."
        )


class LicenceExpiredError(LicenceError):
    """Everything in it is over, its grace included."""

    code = "licence_expired"

    def __init__(self) -> None:
        super().__init__(
            "Everything in this licence has ended, its days of grace included. Ask for a new one."
        )


class LicenceTakenError(LicenceError):
    """A licence with this serial was added before."""

    code = "licence_taken"

    def __init__(self, serial: str) -> None:
        super().__init__(
            f"The licence {serial} was added before; each counts once. "
            "For more seats, ask for a further licence."
        )


class LicenceUnknownAddOnError(LicenceError):
    """It buys something that this release's catalogue does not have."""

    code = "licence_unknown_add_on"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The licence buys {name!r}, which this release does not know. "
            "Upgrade the appliance, or ask for a licence without it."
        )


class LicenceNamespaceUnknownError(LicenceError):
    """It buys something for a group that is not there, or not at the top."""

    code = "licence_namespace_unknown"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The licence is for the group {path!r}, and there is no top-level group of that path. "
            "Create it first, then upload the licence again."
        )


class AuthorityKeyInvalidError(LicenceError):
    """Not the public half of an Ed25519 key."""

    code = "licence_authority_key_invalid"

    def __init__(self) -> None:
        super().__init__(
            "The licence authority's key must be an Ed25519 public key: 32 bytes in base64url."
        )


class AuthorityPinnedError(LicenceError):
    """Another key is trusted already."""

    code = "licence_authority_pinned"

    def __init__(self, *, trusted: str, presented: str) -> None:
        super().__init__(
            f"This instance trusts the licence authority {trusted} and not {presented}. Only a "
            "file signed by the trusted one hands over to another; a demo authority has no place "
            "beside a real one."
        )


class AuthorityChangeError(LicenceError):
    """A hand-over from one authority to the next that is not taken."""

    code = "licence_authority_change_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The change of the licence authority is refused: {reason}. Nothing was changed."
        )


class SeatError(ApplianceError):
    """A seat that cannot be given as things stand."""

    code = "seat_refused"


class NoSeatLeftError(SeatError):
    """All that was bought is given."""

    code = "no_seat_left"

    def __init__(self, *, add_on: str, bought: int, given: int, wanted: int) -> None:
        super().__init__(
            f"{add_on} has {bought} seats and {given} of them are taken, so that {wanted} more "
            "cannot be given. Take a seat from somebody, or buy more."
        )
        self.bought = bought
        self.given = given


class SeatNotNeededError(SeatError):
    """The add-on has no seats."""

    code = "seat_not_needed"

    def __init__(self, add_on: str) -> None:
        super().__init__(f"{add_on} has no seats: it counts for everybody, so give none.")


class SeatUserBlockedError(SeatError):
    """A blocked user cannot be given a seat."""

    code = "seat_user_blocked"

    def __init__(self, username: str) -> None:
        super().__init__(f"{username} is blocked and can have no seat; unblock the user first.")


class SeatNeedsMembershipError(SeatError):
    """The purchase belongs to a group that the user is no member of."""

    code = "seat_needs_membership"

    def __init__(self, *, username: str, namespace: str) -> None:
        super().__init__(
            f"{username} is no member of the group {namespace}, to which this purchase belongs; "
            "add the user to the group first."
        )


class SeatNotFoundError(NotFoundError):
    """A user without a seat, from whom none can be taken."""

    def __init__(self) -> None:
        super().__init__(what="Seat")
