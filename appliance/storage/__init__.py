"""What every concept stands on: the database, the sealing of secrets, migrations, the outbox."""
