"""How the stand-in for an engine writes what it has."""

import io
import json
import tarfile
from typing import Any


def listed(container: dict[str, Any]) -> dict[str, Any]:
    """A container as the list has it."""
    return {
        "Id": container["Id"],
        "Names": [container["Name"]],
        "Labels": container["Config"]["Labels"],
        "State": container["State"]["Status"],
        "Ports": container["Ports"],
        "ImageID": container["Image"],
    }


def chosen(found: Any, query: dict[str, str]) -> list[dict[str, Any]]:
    """Those that the query's filters leave."""
    filters = json.loads(query.get("filters", "{}"))
    found_here = []
    for each in found:
        labels = each.get("Labels") or each.get("Config", {}).get("Labels") or {}
        has = {f"{name}={value}" for name, value in labels.items()}
        dangling = "<none>" in each.get("RepoTags", ()) or "dangling" not in filters
        if set(filters.get("label", ())) <= has and dangling:
            found_here.append(
                {**each, "RepoTags": [t for t in each.get("RepoTags", ()) if t[0] != "<"]}
            )
    return found_here


def archive(name: str, content: bytes) -> bytes:
    """A file as a container's archive has it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        about = tarfile.TarInfo(name.rpartition("/")[2])
        about.size = len(content)
        made.addfile(about, io.BytesIO(content))
    return target.getvalue()
