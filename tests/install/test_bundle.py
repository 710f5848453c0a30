"""What holds for the bundle as a whole: no change goes unseen, and old Pythons find out."""

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from install.bundle import members, program, signatures
from install.bundle.errors import BundleError, LayoutError, SignatureError
from install.bundle.opened import opened
from install.bundle.verifying import Asks, verify
from tests.bundle_builders import NOW, a_bundle

ROOT = Path(__file__).parents[2]
YES = Asks(confirm=lambda _statement: True)
Take = Callable[[bytes], None]


@cache
def _verify_within(public_key: bytes, message: bytes, signature: bytes) -> None:
    signatures.fingerprint(public_key)
    key = load_pem_public_key(public_key)
    assert isinstance(key, Ed25519PublicKey)
    try:
        key.verify(signature, message)
    except InvalidSignature as cause:
        sentence = "wrong"
        raise SignatureError(sentence) from cause


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    contents = {"docs/README.md": b"read me\n", "models/m/w": b"w" * 600, "docs/empty": b""}
    return a_bundle(tmp_path_factory.mktemp("bundle") / "a.bundle", contents).read_bytes()


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Verifies these bytes as a box would that says yes to every signer."""

    (tmp_path / "b").touch()

    def taking(content: bytes) -> None:
        # Not emptied first, which makes some file systems wait for the disk.
        with (tmp_path / "b").open("r+b") as file:
            file.write(content)
            file.truncate()
        verify(tmp_path / "b", trust=tmp_path / "trust.json", now=NOW, asks=YES)

    return taking


@pytest.fixture
def without_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are verified in this process, a hundred times faster; the tests below do too."""
    monkeypatch.setattr(signatures, "verify", _verify_within)


@pytest.mark.usefixtures("without_openssl")
def test_a_flipped_bit_is_found_wherever_it_is(bundle: bytes, take: Take) -> None:
    take(bundle)
    unseen = []
    for at in range(len(bundle)):
        changed = bytearray(bundle)
        changed[at] ^= 1 << at % 8
        try:
            take(bytes(changed))
        except BundleError:
            continue
        unseen.append(at)
    assert not unseen


def test_a_flipped_bit_is_found_with_openssl_as_well(bundle: bytes, take: Take) -> None:
    take(bundle)
    signature = bundle.index(b"manifest.sig") + members.BLOCK_BYTES
    statement = bundle.index(b'"by_itself"')
    for at in (600, signature, signature + 40, statement + 20, len(bundle) - 1):
        changed = bytearray(bundle)
        changed[at] ^= 4
        with pytest.raises(BundleError):
            take(bytes(changed))


@pytest.mark.usefixtures("without_openssl")
def test_a_bundle_cut_short_is_found_at_every_block(bundle: bytes, take: Take) -> None:
    for end in {*range(0, len(bundle), 128), *range(len(bundle) - 600, len(bundle))}:
        with pytest.raises(BundleError):
            take(bundle[:end])


@pytest.mark.usefixtures("without_openssl")
@pytest.mark.parametrize("more", [b"\0", b"\n", bytes(512), b"PK\x05\x06" + bytes(18)])
def test_a_bundle_that_goes_on_is_refused(bundle: bytes, take: Take, more: bytes) -> None:
    with pytest.raises(LayoutError, match="goes on"):
        take(bundle + more)


def test_no_change_of_any_kind_goes_unseen(bundle: bytes, tmp_path: Path) -> None:
    @settings(max_examples=300, deadline=None)
    @given(
        at=st.integers(0, len(bundle)),
        gone=st.integers(0, 2000),
        put=st.binary(max_size=2000) | st.sampled_from([bundle[:512], bundle[-1024:], bytes(512)]),
    )
    def changed(at: int, gone: int, put: bytes) -> None:
        content = bundle[:at] + put + bundle[at + gone :]
        if content == bundle:
            return
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(BundleError):
            verify(tmp_path / "b", trust=tmp_path / "trust.json", now=NOW, asks=YES)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "verify", _verify_within)
        changed()


@pytest.mark.usefixtures("without_openssl")
def test_what_is_not_listed_is_not_even_counted(
    bundle: bytes, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = bundle.rindex(members.END, 0, bundle.index(b"PK\x03\x04"))
    strangers = b"".join(
        members.header(f"chunks/{hashlib.sha256(b'%d' % n).hexdigest()}", 0) for n in range(1000)
    )
    read: list[str] = []
    real = members.header

    def header(name: str, size: int) -> bytes:
        read.append(name)
        return real(name, size)

    monkeypatch.setattr(members, "header", header)
    with pytest.raises(LayoutError, match="does not hold the chunks"):
        take(bundle[:end] + strangers + bundle[end:])
    assert len(read) < 20


@pytest.mark.parametrize("name", members.FIRST)
def test_a_first_member_that_claims_much_is_not_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "b"
    with path.open("wb") as file:
        for each in members.FIRST:
            size = 100 * 1024 * 1024 if each == name else 0
            file.write(members.header(each, size))
            file.seek(size, 1)
        file.write(members.END)
    with pytest.raises(LayoutError, match="larger than it can be"), opened(path):
        pass


@pytest.mark.parametrize("content", [b"", b"hello", bytes(5000), b"PK\x03\x04" * 300])
def test_another_file_is_no_bundle(content: bytes, take: Take) -> None:
    with pytest.raises(BundleError):
        take(content)


@pytest.mark.parametrize("path", [".", "missing", "/dev/zero"])
def test_what_is_no_file_is_no_bundle(path: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle|cannot be read"):
        verify(tmp_path / path, trust=tmp_path / "trust.json", now=NOW, asks=YES)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _file(module: str) -> Path | None:
    inside = ROOT / module.replace(".", "/")
    found = [each for each in (inside.with_suffix(".py"), inside / "__init__.py") if each.is_file()]
    return found[0] if found else None


def _on_old_pythons() -> set[Path]:
    """What an old Python imports of this product for any word of `bundle`."""
    words = ["install.bundle.program", *program._COMMANDS, *program._OLDER]
    left = ["install", "install.bundle.writing", *words]
    seen: set[Path] = set()
    while left:
        path = _file(left.pop())
        if path is not None and path not in seen:
            seen.add(path)
            left += [each for each in _imported(path) if each.startswith("install")]
    return seen


NEWER = {"UTC", "file_digest", "StrEnum", "tomllib", "pairwise", "bit_count", "slots", "kw_only"}
OLD = sorted(_on_old_pythons())


def test_the_modules_that_old_pythons_need_are_known() -> None:
    assert {*(ROOT / "install" / "bundle").glob("*.py")} <= {*OLD}


def _made_at_once(tree: ast.Module) -> Iterator[ast.AST]:
    """All but annotations, where those stay text."""
    later = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
    )
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if not (later and name in {"annotation", "returns"}):
                found = value if isinstance(value, list) else [value]
                left += [each for each in found if isinstance(each, ast.AST)]


def _is_union(node: ast.AST) -> bool:
    types = {"str", "int", "bytes", "bool", "float", "dict", "list", "tuple", "Path"}
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.BitOr)
        and any(
            getattr(each, "value", ...) is None or getattr(each, "id", "") in types
            for each in (node.left, node.right)
        )
    )


@pytest.mark.parametrize("path", OLD, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_old_python_reads_it(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    names = {
        getattr(node, field, None) for node in ast.walk(tree) for field in ("attr", "id", "arg")
    }
    assert not names & NEWER
    assert not [node for node in _made_at_once(tree) if _is_union(node)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        of_types = getattr(call.func, "id", "") in {"isinstance", "issubclass"}
        assert not (of_types and any(isinstance(each, ast.BinOp) for each in call.args))
        assert "strict" not in {each.arg for each in call.keywords}
