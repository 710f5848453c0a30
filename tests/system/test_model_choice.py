"""The seeds' own GraphQL documents and definitions, on a running instance with its gateway."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.organisation import Admin, Organisation

LONG_S = 60.0
LISTED = "claude_3_5_sonnet_20240620"
UNLISTED = "claude-3-7-sonnet-20250219"
NEAREST = "claude_sonnet_3_7_20250219"

# Seed 001's answer of the definitions, word for word.
DEFINITIONS = """
{
  "models": [
    {
      "name": "Claude Sonnet 3.7 - Anthropic",
      "identifier": "claude_sonnet_3_7_20250219"
    },
    {
      "name": "Claude Sonnet 3.7 - Vertex",
      "identifier": "claude_sonnet_3_7_20250219_vertex"
    },
    {
      "name": "Claude Sonnet 3.5 - Anthropic",
      "identifier": "claude_3_5_sonnet_20240620"
    }
  ],
  "unit_primitives": [
    {
      "feature_setting": "duo_chat",
      "default_model": "claude_sonnet_3_7_20250219",
      "selectable_models": [
        "claude-3-7-sonnet-20250219",
        "claude_3_5_sonnet_20240620"
      ],
      "beta_models": [],
      "unit_primitives": [
        "ask_build",
        "ask_commit"
      ]
    },
    {
      "feature_setting": "code_generations",
      "default_model": "claude_sonnet_3_7_20250219",
      "selectable_models": [
        "claude-3-7-sonnet-20250219",
        "claude_3_5_sonnet_20240620"
      ],
      "beta_models": [],
      "unit_primitives": [
        "generate_code"
      ]
    },
    {
      "feature_setting": "code_completions",
      "default_model": "claude_sonnet_3_7_20250219",
      "selectable_models": [
        "claude-3-7-sonnet-20250219",
        "claude_3_5_sonnet_20240620"
      ],
      "beta_models": [],
      "unit_primitives": [
        "complete_code"
      ]
    }
  ]
}
"""

# Seed 001's documents, word for word; `$ID` stands for a literal.
QUERY = """
query getAiFeatureSetting {
  aiNamespaceFeatureSettings(namespaceId: $ID) {
    nodes {
      feature
      title
      mainFeature
      provider
      releaseState
      offeredModelRef
      offeredModelName
      offeredModels {
        nodes {
          ref
          name
        }
      }
    }
  }
}
"""
MUTATION = """
mutation updateAiFeatureSetting($input: AiFeatureSettingUpdateInput!) {
  aiNamespaceFeatureSettingUpdate(input: $input) {
    aiFeatureSettings {
      feature
      title
      mainFeature
      provider
      releaseState
      offeredModelRef
      offeredModelName
      offeredModels {
        nodes {
          ref
          name
        }
      }
    }
    errors
  }
}
"""


class _Publisher(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = DEFINITIONS.encode()
        is_asked = self.path.replace("%2F", "/") == "/v1/models/definitions"
        self.send_response(200 if is_asked else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        """Says nothing."""


@pytest.fixture
def definitions_url() -> Iterator[str]:
    """A gateway of which nothing but the definitions is asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Publisher)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Place:
    """A running instance with its gateway, and a top-level group."""

    organisation: Organisation
    admin: Admin
    group_id: int

    async def ask(self, document: str, variables: Any = None) -> dict[str, Any]:
        """The whole answer."""
        body = {"query": document, "variables": variables}
        answer = await self.admin.http.post("/api/graphql", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def update(self, **wish: Any) -> dict[str, Any]:
        """What the mutation answers."""
        return await self.ask(MUTATION, {"input": wish})


@pytest.fixture
async def place(tmp_path: Path, definitions_url: str) -> AsyncIterator[Place]:
    told = {"CASEMATE_AI_GATEWAY_URL": definitions_url}
    organisation = Organisation(home=tmp_path / "home", told=told)
    await asyncio.to_thread(organisation.found)
    try:
        for name in ("mock", "instance", "gateway"):
            organisation.start(name)
        await organisation.until_ready()
        admin = organisation.admin()
        async with admin.http:
            group = await admin.ask("POST", "/groups", {"name": "Team", "path": "team"})
            await admin.ask("POST", "/ai/offered_models/sync")
            yield Place(organisation, admin, group["id"])
    finally:
        organisation.end()


def _by_feature(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {node["feature"]: node for node in nodes}


async def test_the_definitions_contradict_themselves_in_exactly_those_places(place: Place) -> None:
    found = await place.admin.ask("GET", "/ai/offered_models")
    assert {each["ref"] for each in found["models"]} == {
        "claude_sonnet_3_7_20250219",
        "claude_sonnet_3_7_20250219_vertex",
        LISTED,
    }
    problems = found["sync"]["problems"]
    assert len(problems) == len(("duo_chat", "code_generations", "code_completions"))
    assert all(UNLISTED in json.dumps(each) for each in problems)


async def test_the_seed_s_documents_are_answered(place: Place) -> None:
    for literal in (place.group_id, f'"gid://gitlab/Group/{place.group_id}"'):
        found = await place.ask(QUERY.replace("$ID", str(literal)))
        nodes = _by_feature(found["data"]["aiNamespaceFeatureSettings"]["nodes"])
        refs = [each["ref"] for each in nodes["DUO_CHAT"]["offeredModels"]["nodes"]]
        assert LISTED in refs
        assert UNLISTED not in refs
    chosen = await place.update(
        namespaceId=place.group_id, feature="CODE_SUGGESTION", offeredModelRef=LISTED
    )
    answer = chosen["data"]["aiNamespaceFeatureSettingUpdate"]
    assert answer["errors"] == []
    settings = _by_feature(answer["aiFeatureSettings"])
    assert {name: each["offeredModelRef"] for name, each in settings.items()} == {
        "CODE_COMPLETIONS": LISTED,
        "CODE_GENERATIONS": LISTED,
    }


async def test_the_seed_s_own_input_is_refused_with_what_to_write(place: Place) -> None:
    wrong_name = await place.update(
        namespeceId=place.group_id, feature="CODE_SUGGESTION", offeredModelRef=UNLISTED
    )
    assert "namespaceId" in json.dumps(wrong_name["errors"])
    wrong_model = await place.update(
        namespaceId=place.group_id, feature="CODE_SUGGESTION", offeredModelRef=UNLISTED
    )
    (sentence,) = wrong_model["data"]["aiNamespaceFeatureSettingUpdate"]["errors"]
    assert UNLISTED in sentence
    assert "selectable" in sentence
    assert NEAREST in sentence
    after = await place.ask(QUERY.replace("$ID", str(place.group_id)))
    nodes = _by_feature(after["data"]["aiNamespaceFeatureSettings"]["nodes"])
    assert nodes["CODE_COMPLETIONS"]["offeredModelRef"] != UNLISTED
