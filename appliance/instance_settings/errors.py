"""What can go wrong when an instance setting is changed."""

from appliance.errors import InvalidFieldsError


class AddressNotAllowedHereError(InvalidFieldsError):
    """An address lies outside the networks that anything may be reached in."""

    code = "address_outside_networks"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__({name: reason})


class GatewayNotReachedError(InvalidFieldsError):
    """Nothing answers at the address that the gateway should have."""

    code = "gateway_unreachable"

    def __init__(self, reason: str) -> None:
        sentence = f"Nothing answers at that address ({reason}); is the gateway running there?"
        super().__init__({"ai_gateway_url": sentence})


class NotAGatewayError(InvalidFieldsError):
    """Something answers, but not as a gateway does."""

    code = "not_a_gateway"

    def __init__(self) -> None:
        sentence = "What answers at that address is no Casemate gateway; check host and port."
        super().__init__({"ai_gateway_url": sentence})


class GatewayNotRegisteredError(InvalidFieldsError):
    """A gateway answers that this instance does not know."""

    code = "gateway_not_registered"

    def __init__(self) -> None:
        sentence = (
            "The gateway at that address is not registered at this instance; "
            "register it first with `casemate gateways add`."
        )
        super().__init__({"ai_gateway_url": sentence})
