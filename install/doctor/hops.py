"""All hops, in the order of the way that a question takes."""

from install.doctor import home, question, registered, running, stored, surroundings
from install.doctor.walking import Hop

INSTANCE_LOG = "casemate logs instance -n 100"
NEW_TOKEN = "casemate users token admin"  # noqa: S105  # a command

HOPS = (
    Hop(
        name="home",
        about="files, owners, modes of secrets",
        look=home.look_at_files,
        fix="become the owner of CASEMATE_HOME, with `sudo -u`",
    ),
    Hop(
        name="disk",
        about="room on the disk",
        look=home.look_at_disk,
        fix="df -h",
        needs=("home",),
    ),
    Hop(
        name="logs",
        about="logs that are cut as they grow",
        look=home.look_at_logs,
        fix="ls -l CASEMATE_HOME/logs",
        needs=("home",),
    ),
    Hop(
        name="configuration",
        about="what `up` was told, the slot in use",
        look=home.look_at_configuration,
        fix="casemate up, with the settings that are meant",
        needs=("home",),
    ),
    Hop(
        name="ports",
        about="who holds the ports",
        look=home.look_at_ports,
        fix="ss -ltnp",
        needs=("configuration",),
    ),
    Hop(
        name="services",
        about="processes, units or containers",
        look=running.look_at_services,
        fix="casemate status",
        needs=("configuration",),
    ),
    Hop(
        name="certificates",
        about="TLS: how long, which names",
        look=running.look_at_certificates,
        fix="casemate tls renew",
        needs=("configuration",),
    ),
    Hop(
        name="database",
        about="it opens, is whole, and of this release",
        look=stored.look_at_database,
        fix="see the disk and CASEMATE_DATABASE_URL; else `casemate restore FILE`",
        needs=("configuration",),
    ),
    Hop(
        name="master_key",
        about="it opens what is sealed",
        look=stored.look_at_master_key,
        fix=running.FIXES["master_key"],
        needs=("database",),
    ),
    Hop(
        name="clock",
        about="never went back, the same everywhere",
        look=stored.look_at_clock,
        fix="casemate clock show",
        needs=("database",),
    ),
    Hop(
        name="instance",
        about="ready to serve",
        look=running.look_at_instance,
        fix=INSTANCE_LOG,
        # A stranger on a port must neither count as ready nor be shown the admin's token.
        needs=("ports",),
    ),
    Hop(
        name="gateway",
        about="ready to serve",
        look=running.look_at_gateway,
        fix="casemate logs gateway -n 100",
        needs=("ports",),
    ),
    Hop(
        name="admin",
        about="the admin's token is taken",
        look=registered.look_at_admin,
        fix=NEW_TOKEN,
        needs=("instance",),
    ),
    Hop(
        name="signing_keys",
        about="which signs, how old, the next one",
        look=registered.look_at_signing_keys,
        fix="casemate keys list",
        needs=("admin",),
    ),
    Hop(
        name="gateways",
        about="registered, following, how far behind",
        look=registered.look_at_gateways,
        fix="casemate gateways list",
        needs=("admin",),
    ),
    Hop(
        name="key_set",
        about="the gateways have the key that signs",
        look=registered.look_at_key_set,
        fix="casemate keys list",
        needs=("signing_keys", "gateways"),
    ),
    Hop(
        name="licence",
        about="good, until when, demonstration",
        look=registered.look_at_licence,
        fix="casemate licence list",
        needs=("admin",),
    ),
    Hop(
        name="grant",
        about="the admin may chat",
        look=registered.look_at_grant,
        fix="casemate explain",
        needs=("admin",),
    ),
    Hop(
        name="models",
        about="each model's endpoint answers",
        look=registered.look_at_models,
        fix="casemate models list",
        needs=("admin", "gateway"),
    ),
    Hop(
        name="question",
        about="one real token, all the way",
        look=question.look_at_question,
        fix="casemate explain; casemate logs gateway -n 100",
        needs=("admin", "gateway", "key_set", "grant"),
    ),
    Hop(
        name="backups",
        about="the last one's age",
        look=surroundings.look_at_backups,
        fix="ls -l CASEMATE_HOME/backups",
        needs=("home",),
    ),
    Hop(
        name="egress",
        about="refused ways out",
        look=surroundings.look_at_egress,
        fix="casemate egress",
        needs=("configuration",),
    ),
    Hop(
        name="callers",
        about="callers are told apart",
        look=surroundings.look_at_callers,
        fix="casemate settings show",
        needs=("admin",),
    ),
)
