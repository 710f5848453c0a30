"""Whether what was bought covers the models of a provider."""

from collections.abc import Sequence
from datetime import datetime

from appliance.licensing.rules import Purchase, entitles, holding
from gateway.contract.catalog import Catalog


def why_not_entitled(
    provider: str, owned: Sequence[Purchase], catalog: Catalog, *, at: datetime
) -> str | None:
    """A sentence that says what is missing; None: nothing is."""
    titles = {
        name: add_on.title
        for name, add_on in catalog.add_ons.items()
        if provider in add_on.entitles
    }
    bought = [each for each in owned if each.add_on in titles]
    held = [holding(each, None, owned=owned, catalog=catalog, at=at) for each in bought]
    if any(provider in entitles(each, catalog, at=at) for each in held):
        return None
    suspended = [each.suspended_because for each in held if each.suspended_because is not None]
    if suspended:
        return suspended[0]
    if bought:
        names = ", ".join(titles[each.add_on] for each in bought)
        return f"What was bought of {names} is not valid now; add a licence that is."
    title = catalog.providers[provider].title
    return f"{title} need one of these, of which none was bought: {', '.join(titles.values())}."
