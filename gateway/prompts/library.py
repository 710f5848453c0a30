"""All prompts of this release, and which version of one a request gets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway.errors import PromptNotFoundError, PromptVersionNotFoundError
from gateway.prompts.files import PromptFileError, parse_prompt
from gateway.prompts.prompt import SHARED, Prompt
from gateway.prompts.versions import BadVersionError, Constraint, parse_constraint

MAX_QUOTED = 80


class Library:
    """Prompts by name."""

    def __init__(self, prompts: Iterable[Prompt]) -> None:
        """Sorts the prompts.

        Raises:
            PromptFileError: versions of one prompt are for different unit primitives, or none is
                for the models of every family, without a flag.
        """
        self._versions: dict[str, list[Prompt]] = {}
        for prompt in prompts:
            self._versions.setdefault(prompt.id, []).append(prompt)
        for prompt_id, versions in self._versions.items():
            versions.sort(key=lambda each: each.version.rank, reverse=True)
            _check(prompt_id, versions)

    @property
    def names(self) -> Sequence[str]:
        """Every prompt there is, in alphabetical order."""
        return sorted(self._versions)

    def versions(self, prompt_id: str) -> Sequence[Prompt]:
        """All of one prompt, the newest first.

        Raises:
            PromptNotFoundError: there is no prompt of that name.
        """
        if prompt_id not in self._versions:
            raise PromptNotFoundError(message=f"Prompt {prompt_id[:MAX_QUOTED]!r} not found")
        return tuple(self._versions[prompt_id])

    def unit_primitive_of(self, prompt_id: str) -> str:
        """The scope that opens the prompt.

        Raises:
            PromptNotFoundError: there is no prompt of that name.
        """
        return self.versions(prompt_id)[0].unit_primitive

    def find(
        self,
        prompt_id: str,
        constraint: str | None,
        *,
        family: str | None,
        is_feature_enabled: Callable[[str], bool],
    ) -> Prompt:
        """The newest that satisfies the constraint and whose flag is on.

        One for the model's family goes before those that are for all.

        Raises:
            PromptNotFoundError: there is no prompt of that name.
            PromptVersionNotFoundError: none satisfies the constraint, or it is none.
        """
        versions = self.versions(prompt_id)
        wanted = _constraint(constraint, versions)
        fitting = [
            each
            for each in versions
            if wanted.admits(each.version)
            and each.family in {SHARED, family}
            and (each.flag is None or is_feature_enabled(each.flag))
        ]
        if not fitting:
            what = f"has no version {str(constraint)[:MAX_QUOTED]!r}"
            raise _not_found(versions, what)
        return next((each for each in fitting if each.family != SHARED), fitting[0])


def _constraint(text: str | None, versions: Sequence[Prompt]) -> Constraint:
    try:
        return parse_constraint(text)
    except BadVersionError as cause:
        what = (
            f"cannot be found by {str(cause)[:MAX_QUOTED]!r}, which is neither a version nor a "
            "constraint such as '^1.0.0'"
        )
        raise _not_found(versions, what) from cause


def _not_found(versions: Sequence[Prompt], what: str) -> PromptVersionNotFoundError:
    shared = {each.version for each in versions if each.family == SHARED}
    named = ", ".join(str(each) for each in sorted(shared, key=lambda each: each.rank))
    return PromptVersionNotFoundError(
        message=f"Prompt {versions[0].id!r} {what}; there is {named}.", param="prompt_version"
    )


def _check(prompt_id: str, versions: Sequence[Prompt]) -> None:
    if len({each.unit_primitive for each in versions}) > 1:
        raise PromptFileError(prompt_id, "its versions are for different unit primitives")
    if not any(each.family == SHARED and each.flag is None for each in versions):
        raise PromptFileError(prompt_id, "no version is for all models without a flag")


@cache
def load_library() -> Library:
    """The prompts that come with this release.

    Raises:
        PromptFileError: one contradicts itself.
    """
    return Library(_read(files(__package__).joinpath("library"), ()))


def _read(folder: Traversable, place: tuple[str, ...]) -> Iterator[Prompt]:
    """Every `<id>/<family>/<version>.toml` below a folder; an id may have several parts."""
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir():
            yield from _read(each, (*place, each.name))
        elif each.name.endswith(".toml"):
            *names, family = place
            yield parse_prompt(
                each.read_text("utf-8"),
                prompt_id="/".join(names),
                family=family,
                version=each.name.removesuffix(".toml"),
            )
