import msgspec

from gateway.contract.claims import Claims
from gateway.policy.tenants import cache_salt
from tests.builders import some_claims


def salt(**changes: object) -> str:
    return cache_salt(msgspec.convert(some_claims(**changes), Claims))


def test_users_of_one_tenant_share_a_salt() -> None:
    assert salt(sub="user-1", ns=7, root_ns=5) == salt(sub="user-2", ns=8, root_ns=5)


def test_no_two_tenants_and_no_two_issuers_share_one() -> None:
    salts = {salt(), salt(root_ns=5), salt(root_ns=6), salt(root_ns=5, iss="http://other.test")}
    assert len(salts) == 4
