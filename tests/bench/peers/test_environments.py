import re
from pathlib import Path

import pytest

from tests.bench.peers.environments import LOCKS, PeerUnavailableError, python_environment
from tests.bench.peers.programs import PEERS, Place


@pytest.mark.parametrize("peer", ["litellm", "vllm-router"])
def test_every_package_of_a_peer_is_pinned_with_its_hash(peer: str) -> None:
    lines = (LOCKS / f"{peer}.lock").read_text().splitlines()[1:]
    assert all(re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    version = next(each.version for each in PEERS if each.name == peer)
    assert any(line.startswith(f"{peer}=={version} ") for line in lines)


def test_the_node_peer_is_pinned_without_naming_a_registry() -> None:
    lock = (LOCKS / "portkey" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert "resolved" not in lock
    assert "registry" not in lock


def test_an_installed_peer_is_not_installed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = tmp_path / "locks" / "demo.lock"
    peer.parent.mkdir()
    peer.write_text("# nothing\n")
    monkeypatch.setattr("tests.bench.peers.environments.LOCKS", peer.parent)
    first = python_environment("demo", tmp_path / "cache")
    made = (first / "python").lstat().st_mtime_ns
    assert python_environment("demo", tmp_path / "cache") == first
    assert (first / "python").lstat().st_mtime_ns == made


def test_a_peer_that_cannot_be_installed_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo.lock").write_text("no such package ==1\n")
    monkeypatch.setattr("tests.bench.peers.environments.LOCKS", tmp_path)
    with pytest.raises(PeerUnavailableError, match=r"demo: cannot be installed: .+"):
        python_environment("demo", tmp_path / "cache")
    with pytest.raises(PeerUnavailableError):
        python_environment("demo", tmp_path / "cache")


def test_a_node_peer_without_node_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    place = Place(port=1, spare_port=2, upstream_port=3, folder=tmp_path)
    portkey = next(each for each in PEERS if each.name == "portkey")
    with pytest.raises(PeerUnavailableError, match="no node and npm"):
        portkey.prepare(place, tmp_path)
