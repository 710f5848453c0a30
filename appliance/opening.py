"""Opens what `init` has filled: the database in the form of this release, and the master key."""

from contextlib import ExitStack, closing
from dataclasses import dataclass

from appliance.settings import Settings
from appliance.storage.engine import Db, database_url, with_password
from appliance.storage.identity import Identity, read_identity
from appliance.storage.migrations import migrate
from appliance.storage.sealing import Sealer, check_master_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An opened instance: its database, its master key and who it is."""

    db: Db
    sealer: Sealer
    identity: Identity


def open_database(settings: Settings) -> Db:
    """Opens the database in the form that this release needs.

    Raises:
        DatabaseUrlError: its URL cannot be used.
        DatabasePasswordError: its password cannot be read.
        DatabaseUnavailableError: it does not answer.
    """
    url = with_password(database_url(settings.database), settings.database_password_file)
    migrate(url)
    return Db(url)


def open_instance(settings: Settings) -> Instance:
    """Opens an instance that `init` has filled.

    Raises:
        ApplianceError: the database, the master key or the first contents are missing or wrong.
    """
    with ExitStack() as undo:
        # First of all: without its key nothing of the database should be touched.
        sealer = Sealer.from_file(settings.master_key_path, is_mounted=settings.secrets_mounted)
        db = undo.enter_context(closing(open_database(settings)))
        identity = db.read_blocking(read_identity)
        db.read_blocking(lambda session: check_master_key(session, sealer))
        undo.pop_all()
    return Instance(db=db, sealer=sealer, identity=identity)
