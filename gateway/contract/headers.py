"""Names of GitLab's request headers, and the claim that each must equal when it is present."""

AUTHENTICATION_TYPE = "X-Gitlab-Authentication-Type"
GLOBAL_USER_ID = "X-Gitlab-Global-User-Id"
INSTANCE_ID = "X-Gitlab-Instance-Id"
REALM = "X-Gitlab-Realm"
NAMESPACE_ID = "X-Gitlab-Namespace-Id"
ROOT_NAMESPACE_ID = "X-Gitlab-Root-Namespace-Id"
ENABLED_BY_NAMESPACE_IDS = "X-Gitlab-Feature-Enabled-By-Namespace-Ids"
ENABLED_FEATURE_FLAGS = "X-Gitlab-Enabled-Feature-Flags"
UNIT_PRIMITIVE = "X-Gitlab-Unit-Primitive"

# The release of GitLab whose protocol this is: what its clients and gateways are told, since they
# ask for more of what they know to be there.
SPOKEN_VERSION = "18.9.0"
