"""`casemate features`: which model each feature uses, for the instance or in a group."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from install.admin.licences import here
from install.errors import SettingError

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Feature = Annotated[str, typer.Argument(help="The feature, such as duo_chat.")]
Group = Annotated[
    str | None,
    typer.Option(
        "--group", metavar="PATH_OR_ID", help="In this group; else for the whole instance."
    ),
]
Model = Annotated[str, typer.Option("--model", help="The ref of the model to use.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        help="A model that the levels below may choose; again for more. Without any, all that "
        "this level may choose.",
    ),
]
INSTANCE_PATH = "/api/v4/ai/feature_settings"
HEADINGS = ("feature", "title", "model", "set by", "locked", "may be changed by")


@app.command(name="list")
def list_features(*, group: Group = None, as_json: AsJson = False) -> None:
    """Every feature: what it uses, which level says so, and who may change it."""
    with here() as asked:
        found = list(asked.ask("GET", _path(group)))
    if as_json:
        print(json.dumps(found))
        return
    from rich.table import Table

    from install.summary import console_on

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "feature")
    for each in found:
        table.add_row(*_row(each))
    console = console_on(sys.stdout)
    console.print(table)
    for each in found:
        if each["problem"]:
            console.print(f"  ! {each['feature']}: {each['problem']}", markup=False)


@app.command()
def show(feature: Feature, *, group: Group = None, as_json: AsJson = False) -> None:
    """One feature, with the models that there are to choose from."""
    with here() as asked:
        found = asked.ask("GET", _path(group, feature))
    if as_json:
        print(json.dumps(found))
        return
    print(f"{found['feature']}  {found['title']}, of {found['main_feature']}")
    print(f"  uses             {_model(found)}")
    print(f"  set by           {_level(found)}")
    print(f"  may be changed   by {found['may_change_by']}")
    print(f"  locked           {_lock(found)}")
    if found["allowed_models"] is not None:
        print(f"  leaves to choose {', '.join(found['allowed_models'])}")
    for model in found["selectable_models"]:
        print(f"  model            {model['ref']}  {model['name']}")
        if model["why"]:
            print(f"                   ! {model['why']}")
    for model in found.get("unusable_models", ()):
        print(f"  not usable       {model['ref']}  {model['why']}")
    if found["problem"]:
        print(f"  ! {found['problem']}")


@app.command()
def assign(
    feature: Feature,
    *,
    model: Model,
    allow: Allow = None,
    locked: Annotated[bool, typer.Option("--locked", help="No level below may choose.")] = False,
    group: Group = None,
    as_json: AsJson = False,
) -> None:
    """Use a model for a feature, in place of all that was said there, a lock too."""
    wish: dict[str, Any] = {_name(group): model, "locked": locked}
    if allow:
        wish["allowed_models"] = list(dict.fromkeys((model, *allow)))
    _change(feature, group, wish, as_json=as_json)


@app.command()
def disable(feature: Feature, *, as_json: AsJson = False) -> None:
    """Switch a feature off for the whole instance."""
    _change(feature, None, {"provider": "disabled"}, as_json=as_json)


@app.command()
def reset(feature: Feature, *, group: Group = None, as_json: AsJson = False) -> None:
    """Take back what was said of a feature; what the level above says holds again."""
    with here() as asked:
        asked.ask("DELETE", _path(group, feature))
        found = asked.ask("GET", _path(group, feature))
    _say(found, as_json=as_json)


@app.command()
def lock(
    feature: Feature,
    *,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Let levels below choose again.")
    ] = False,
    group: Group = None,
    as_json: AsJson = False,
) -> None:
    """Keep the levels below from choosing another model than the one that is used now."""
    with here() as asked:
        known = asked.ask("GET", _path(group, feature))
    if unlock and not known["locked"]:
        _say(known, as_json=as_json)
        return
    model = known[_name(group)] or known["effective_model"]
    if model is None:
        sentence = f"Nothing is assigned to {feature}; assign a model first."
        raise SettingError(sentence)
    wish = {
        _name(group): model,
        "allowed_models": known["allowed_models"],
        "locked": not unlock,
    }
    _change(feature, group, wish, as_json=as_json)


def _change(feature: str, group: str | None, wish: Mapping[str, Any], *, as_json: bool) -> None:
    with here() as asked:
        found = asked.ask("PUT", _path(group, feature), wish)
    _say(found, as_json=as_json)


def _say(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
        return
    ending = ", locked." if found["locked"] else "."
    print(f"{found['feature']}: {_model(found)}, set by {_level(found)}{ending}")
    if found["problem"]:
        print(f"  ! {found['problem']}")


def _path(group: str | None, feature: str | None = None) -> str:
    part = "" if feature is None else f"/{quote(feature, safe='')}"
    if group is None:
        return INSTANCE_PATH + part
    return f"/api/v4/groups/{quote(group, safe='')}/ai_feature_settings{part}"


def _name(group: str | None) -> str:
    """What the model of a level is called: below the instance's it is no default."""
    return "default_model" if group is None else "model"


def _row(found: Mapping[str, Any]) -> Sequence[str]:
    return (
        str(found["feature"]),
        str(found["title"]),
        _model(found),
        _level(found),
        _lock(found),
        str(found["may_change_by"]),
    )


def _model(found: Mapping[str, Any]) -> str:
    if found["provider"] == "disabled":
        return "disabled"
    return str(found["effective_model"] or "nothing")


def _level(found: Mapping[str, Any]) -> str:
    level = found["level"]
    return "the instance" if level["kind"] == "instance" else str(level["full_path"])


def _lock(found: Mapping[str, Any]) -> str:
    if found["locked"]:
        return "yes"
    # The instance's own settings lie below nothing.
    by = found.get("locked_by")
    if by is None:
        return "no"
    return "by the instance" if by["kind"] == "instance" else f"by {by['full_path']}"
