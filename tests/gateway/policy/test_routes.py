import pytest

from gateway.contract.catalog import load_catalog
from gateway.policy.routes import PUBLIC, ROUTES, UncoveredRouteError, check_coverage


def test_every_unit_primitive_of_the_table_is_in_the_catalogue() -> None:
    named = {policy.unit_primitive for policy in ROUTES.values() if policy.unit_primitive}
    assert named <= load_catalog().unit_primitives.keys()


def test_a_route_outside_the_table_stops_the_start() -> None:
    check_coverage([("GET", "/v1/models")])
    with pytest.raises(UncoveredRouteError, match="POST /v1/new"):
        check_coverage([("GET", "/v1/models"), ("POST", "/v1/new")])


def test_a_route_is_public_or_has_a_policy_never_both() -> None:
    assert not PUBLIC & ROUTES.keys()
    assert all(path.startswith(("/monitoring/", "/health")) for _, path in PUBLIC)
