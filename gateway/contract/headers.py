"""Names of GitLab's request headers, and the claim that each must equal when it is present."""

AUTHENTICATION_TYPE = "X-Gitlab-Authentication-Type"
GLOBAL_USER_ID = "X-Gitlab-Global-User-Id"
INSTANCE_ID = "X-Gitlab-Instance-Id"
REALM = "X-Gitlab-Realm"
UNIT_PRIMITIVE = "X-Gitlab-Unit-Primitive"
