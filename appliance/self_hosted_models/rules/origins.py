"""Where a stored API key may go: to the servers that it was given for, and to no other."""

from collections.abc import Collection, Iterable

from appliance.errors import InvalidFieldsError
from gateway.contract.addresses import EndpointRefusedError, parse_endpoint
from gateway.contract.egress import folded_host


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of the server that an endpoint is on; None of what is no endpoint."""
    try:
        endpoint = parse_endpoint(url)
    except EndpointRefusedError:
        return None
    return endpoint.scheme, folded_host(endpoint.host), endpoint.port


def check_key_stays(endpoints: Iterable[str], *, stored: Collection[str]) -> None:
    """Passes when the endpoints are on servers of `stored` ones, which have the API key anyway.

    Else whoever has an admin's session for a minute could have it sent to a server of their own.

    Raises:
        InvalidFieldsError: one is on another server.
    """
    known = {origin_of(each) for each in stored}
    if not known.issuperset(map(origin_of, endpoints)):
        problem = (
            "is kept for the server that it was given for: for an endpoint on another server it "
            "must be given again, or removed"
        )
        raise InvalidFieldsError({"api_key": problem})
