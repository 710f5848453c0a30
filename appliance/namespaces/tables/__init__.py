"""The rows of groups and their members, and the queries on them."""

from appliance.namespaces.tables.groups import (
    add_namespace,
    delete_namespace,
    groups_with_member,
    is_taken,
    names_of,
    namespace_row,
    namespace_row_at,
    namespaces_among,
    parents_among,
    visible_page,
)
from appliance.namespaces.tables.members import (
    default_row,
    direct_members,
    lasting_owners,
    member_page,
    member_row,
    memberships,
    root_memberships,
)
from appliance.namespaces.tables.rows import (
    DefaultNamespaceRow,
    MemberRow,
    NamespaceRow,
    membership_of,
    namespace_of,
)
from appliance.namespaces.tables.trees import below, rename, tree_ids

__all__ = [
    "DefaultNamespaceRow",
    "MemberRow",
    "NamespaceRow",
    "add_namespace",
    "below",
    "default_row",
    "delete_namespace",
    "direct_members",
    "groups_with_member",
    "is_taken",
    "lasting_owners",
    "member_page",
    "member_row",
    "membership_of",
    "memberships",
    "names_of",
    "namespace_of",
    "namespace_row",
    "namespace_row_at",
    "namespaces_among",
    "parents_among",
    "rename",
    "root_memberships",
    "tree_ids",
    "visible_page",
]
