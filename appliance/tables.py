"""Every table of the instance: each registers itself with `Row.metadata` when it is loaded.

What copies, checks or migrates a database goes through that, and would pass over one that is not.
"""

import appliance.access_tokens.tables
import appliance.accounts.tables
import appliance.ai_actions.tables
import appliance.audit.tables
import appliance.explanations.tables
import appliance.feature_flags.tables
import appliance.gateway_feed.tables
import appliance.instance_settings.tables
import appliance.licensing.tables
import appliance.model_selection.tables
import appliance.namespaces.tables
import appliance.resources.tables
import appliance.self_hosted_models.tables
import appliance.usage.tables  # noqa: F401  # loaded to be registered
