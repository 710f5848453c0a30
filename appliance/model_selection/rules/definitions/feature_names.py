"""Which features of the catalogue are meant by the names that definitions use."""

from gateway.contract.catalog import Catalog

# Names that are shorter than the catalogue's, or older; both sides as `folded` leaves them.
LOOSE_NAMES: dict[str, tuple[str, ...]] = {
    "chat": ("duo_chat",),
    "code_completion": ("code_completions",),
    "code_generation": ("code_generations",),
    "code_suggestion": ("code_completions", "code_generations"),
    "code_suggestions": ("code_completions", "code_generations"),
    "completion": ("code_completions",),
    "completions": ("code_completions",),
    "generation": ("code_generations",),
    "generations": ("code_generations",),
    "review_mr": ("review_merge_request",),
    "root_cause_analysis": ("duo_chat_troubleshoot_job",),
    "summarize_mr": ("summarize_new_merge_request",),
    "summarize_mr_review": ("summarize_review",),
    "summarize_merge_request_review": ("summarize_review",),
}


def features_named(name: str, catalog: Catalog) -> tuple[str, ...]:
    """The features of that name, or of a loose one, or with a unit primitive of that name.

    Empty: it is none of these.
    """
    folded = name.strip().casefold().replace("-", "_").replace(" ", "_")
    if folded in catalog.features:
        return (folded,)
    if folded in LOOSE_NAMES:
        return LOOSE_NAMES[folded]
    feature = catalog.features_by_unit_primitive().get(folded)
    return () if feature is None else (feature,)
