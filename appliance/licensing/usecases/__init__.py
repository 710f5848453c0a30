"""What people, the set-up and timers do with licences, purchases and seats."""

from appliance.licensing.usecases.candidates import candidates, find_candidates
from appliance.licensing.usecases.clock import (
    check_clock,
    clock_warning,
    licence_clock,
    note_time,
    reset_clock,
)
from appliance.licensing.usecases.licences import (
    LicenceReport,
    add_licence,
    change_authority,
    knows_licence,
    licence_reports,
    licences,
    pin_authority,
    remove_licence,
    trusted_authority,
)
from appliance.licensing.usecases.purchases import (
    ALL,
    Report,
    check_may_read,
    get_purchase,
    grant_of,
    holdings,
    is_saas,
    list_purchases,
    reports,
)
from appliance.licensing.usecases.seats import (
    assigned_quantity,
    give_seats,
    list_seats,
    take_seats,
)

__all__ = [
    "ALL",
    "LicenceReport",
    "Report",
    "add_licence",
    "assigned_quantity",
    "candidates",
    "change_authority",
    "check_clock",
    "check_may_read",
    "clock_warning",
    "find_candidates",
    "get_purchase",
    "give_seats",
    "grant_of",
    "holdings",
    "is_saas",
    "knows_licence",
    "licence_clock",
    "licence_reports",
    "licences",
    "list_purchases",
    "list_seats",
    "note_time",
    "pin_authority",
    "remove_licence",
    "reports",
    "reset_clock",
    "take_seats",
    "trusted_authority",
]
