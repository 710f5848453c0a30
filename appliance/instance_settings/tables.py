"""The rows of instance settings."""

from datetime import datetime

from sqlmodel import Field

from appliance.storage.engine import Row


class InstanceSettingRow(Row, table=True):
    """A setting that was changed from what the environment says; the value before is kept."""

    __tablename__ = "instance_settings"

    name: str = Field(primary_key=True)
    value: str
    previous_value: str | None = None
    changed_at: datetime
