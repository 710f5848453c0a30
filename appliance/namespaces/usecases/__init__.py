"""What people do with groups and their members; all of it as seen by a user."""

from appliance.namespaces.usecases.finding import (
    access_level,
    find_namespace,
    full_names,
    get_namespace,
    list_groups,
    named_namespace,
    namespaces_among,
    own_groups,
    parents_among,
    tree_ids,
    visible_namespace,
)
from appliance.namespaces.usecases.groups import Follow, change_group, create_group, delete_group
from appliance.namespaces.usecases.members import (
    add_member,
    default_namespace,
    get_member,
    list_members,
    remove_member,
    set_default_namespace,
    set_member,
)
from appliance.namespaces.usecases.moving import Surroundings, move_group

__all__ = [
    "Follow",
    "Surroundings",
    "access_level",
    "add_member",
    "change_group",
    "create_group",
    "default_namespace",
    "delete_group",
    "find_namespace",
    "full_names",
    "get_member",
    "get_namespace",
    "list_groups",
    "list_members",
    "move_group",
    "named_namespace",
    "namespaces_among",
    "own_groups",
    "parents_among",
    "remove_member",
    "set_default_namespace",
    "set_member",
    "tree_ids",
    "visible_namespace",
]
