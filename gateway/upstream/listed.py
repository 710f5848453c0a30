"""What an endpoint's list of models says: how much text each takes, and which engine runs it."""

from collections.abc import Mapping

import msgspec

# A longer list is not read: that would take time from answers, and comes every two seconds.
MAX_LIST_BYTES = 256 * 1024
_VLLM = "vllm"


class _OfRay(msgspec.Struct, frozen=True):
    """What Ray Serve says of a model beside OpenAI's members; it runs vLLM."""

    max_request_context_length: int | msgspec.UnsetType | None = msgspec.UNSET


class ListedModel(msgspec.Struct, frozen=True):
    """One entry of the list."""

    id: str
    owned_by: str | None = None
    max_model_len: int | None = None
    metadata: _OfRay | None = None

    @property
    def window_tokens(self) -> int | None:
        """How much it takes, question and answer together, if it says so."""
        told = self.metadata.max_request_context_length if self.metadata else None
        length = self.max_model_len or (told if isinstance(told, int) else None)
        return length if length is not None and length > 0 else None

    @property
    def takes_cache_salt(self) -> bool:
        """Whether the engine is known to take `cache_salt`; OpenAI's own API refuses the member.

        vLLM names itself as the owner of what it serves, as other engines do.
        """
        is_of_ray = self.metadata is not None and (
            self.metadata.max_request_context_length is not msgspec.UNSET
        )
        return is_of_ray or self.owned_by == _VLLM


class _List(msgspec.Struct):
    data: list[msgspec.Raw] = []


_list = msgspec.json.Decoder(_List)
_entry = msgspec.json.Decoder(ListedModel)


def read_list(body: bytes) -> Mapping[str, ListedModel]:
    """The entries by their name; none if it is no such list, or a very long one."""
    if len(body) > MAX_LIST_BYTES:
        return {}
    listed = {}
    try:
        for written in _list.decode(body).data:
            entry = _read(written)
            if entry is not None:
                listed[entry.id] = entry
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return listed


def _read(written: msgspec.Raw) -> ListedModel | None:
    """An entry that has odd members is none, and keeps nobody from reading the others."""
    try:
        return _entry.decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
