"""What every store promises, held against files, a real Redis, one in cluster mode, and a fake one."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from app.model import StoreError
from app.store import Blob, BlobError, LeaseLost, Pointer, Store
from app.store.blob import LOOK_BYTES
from tests.store.conftest import Place, publication


def current(store: Store) -> str | None:
    pointer = store.pointer()
    return pointer.generation if pointer else None


def tag(generation: str, of: str = "snapshot") -> str:
    return hashlib.sha256(f"{of} of {generation}".encode()).hexdigest()[:16]


def test_an_empty_store_has_nothing(place: Place) -> None:
    """Before the first publication everything is None, and nothing is an error."""
    store = place.open()
    assert store.pointer() is None
    assert store.snapshot("a") is None
    assert store.blob("0" * 64) is None
    assert store.memory() is None
    assert store.status() is None
    assert store.heartbeat() is None
    assert store.take_request() is None


def test_what_is_published_is_seen_by_others(place: Place) -> None:
    """After publish, another process finds the pointer and all that belongs to it."""
    writer, reader = place.open(), place.open()
    digest = writer.put_blob(b"networks")
    writer.publish(publication("a", (digest,)), owner=None)
    assert reader.pointer() == Pointer(
        generation="a", snapshot=tag("a"), published_at_s=1000.0, status="", memory=tag("a", "memory")
    )
    assert reader.snapshot("a") == b"snapshot of a"
    assert reader.blob(digest) == b"networks"
    assert reader.memory() == b"memory of a"


def test_three_generations_stay(place: Place) -> None:
    """The last three snapshots can be read, and the fourth last is gone."""
    store = place.open()
    for generation in "abcd":
        store.publish(publication(generation), owner=None)
    assert current(store) == "d"
    assert [store.snapshot(generation) for generation in "abcd"] == [
        None,
        b"snapshot of b",
        b"snapshot of c",
        b"snapshot of d",
    ]


def test_blobs_stay_as_long_as_a_kept_generation_needs_them(place: Place) -> None:
    """A blob goes with the last of the kept generations that refers to it."""
    store = place.open()
    old, lasting = store.put_blob(b"old"), store.put_blob(b"lasting")
    store.publish(publication("a", (old, lasting)), owner=None)
    for generation in "bc":
        store.publish(publication(generation, (lasting,)), owner=None)
    assert store.blob(old) == b"old"
    store.publish(publication("d", (lasting,)), owner=None)
    assert store.blob(old) is None
    assert store.blob(lasting) == b"lasting"


def test_publishing_a_generation_again_renews_it(place: Place) -> None:
    """Memory and time are the new ones; the generations beside it stay."""
    store = place.open()
    for generation in "abc":
        store.publish(publication(generation), owner=None)
    again = msgspec.structs.replace(publication("c", memory=b"newer"), published_at_s=2000.0)
    store.publish(again, owner=None)
    assert store.pointer() == Pointer(
        generation="c",
        snapshot=tag("c"),
        published_at_s=2000.0,
        status="",
        memory=hashlib.sha256(b"newer").hexdigest()[:16],
    )
    assert store.memory() == b"newer"
    assert store.snapshot("a") == b"snapshot of a"


def test_a_generation_can_come_back(place: Place) -> None:
    """When the inputs are as they were two generations ago, so is the pointer."""
    store = place.open()
    for generation in "aba":
        store.publish(publication(generation), owner=None)
    assert current(store) == "a"
    assert store.snapshot("a") == b"snapshot of a"
    assert store.snapshot("b") == b"snapshot of b"


@pytest.mark.parametrize("seed", range(5))
def test_the_three_last_published_are_kept_in_any_order(place: Place, seed: int) -> None:
    """Whatever is published again and again: the pointer is the last one, the last three different
    ones can be read with their blobs, and no other can."""
    rng = random.Random(seed)
    store = place.open()
    recent: list[str] = []
    for _ in range(12):
        generation = rng.choice("abcdef")
        digest = store.put_blob(b"blob of " + generation.encode())
        store.publish(publication(generation, (digest,)), owner=None)
        recent = [generation, *(other for other in recent if other != generation)][:3]
        assert current(store) == generation
        for name in "abcdef":
            kept = name in recent
            assert (store.snapshot(name) is not None) == kept
            assert (store.blob(hashlib.sha256(b"blob of " + name.encode()).hexdigest()) is not None) == kept


def test_no_memory_is_none(place: Place) -> None:
    """A publication without memory (a web node's copy) leaves none."""
    store = place.open()
    store.publish(publication("a", memory=b""), owner=None)
    assert store.memory() is None


def test_memory_can_be_replaced_alone(place: Place) -> None:
    """`remember` changes the memory and nothing else; it works before any publication."""
    store = place.open()
    store.remember(b"first", None)
    assert store.memory() == b"first"
    assert store.pointer() is None
    store.publish(publication("a"), owner=None)
    before = store.pointer()
    store.remember(b"second", None)
    assert store.memory() == b"second"
    after = store.pointer()
    assert before and after and after.memory != before.memory
    assert msgspec.structs.replace(after, memory=before.memory) == before
    assert store.snapshot("a") == b"snapshot of a"


def test_the_pointer_tells_when_the_status_changes(place: Place) -> None:
    """Its tag is short, empty at first, changes with the document, and only with it."""
    store = place.open()
    store.publish(publication("a"), owner=None)
    tags = []
    for document in (b"one", b"two", b"two", b"one"):
        store.publish_status(document)
        assert place.open().status() == document
        pointer = store.pointer()
        assert pointer is not None
        assert 0 < len(pointer.status) <= 16
        tags.append(pointer.status)
    assert tags[0] == tags[3] != tags[1] == tags[2]
    store.publish(publication("b"), owner=None)
    pointer = store.pointer()
    assert pointer is not None
    assert pointer.status == tags[3]
    assert store.status() == b"one"


def test_statistics_are_a_document_of_their_own(place: Place) -> None:
    """They have a tag of their own, and neither a publication nor a status document changes them."""
    store = place.open()
    assert store.statistics() is None
    store.publish_statistics(b"one")
    assert store.pointer() is None
    store.publish(publication("a"), owner=None)
    before = store.pointer()
    store.publish_status(b"status")
    assert store.statistics() == b"one"
    store.publish_statistics(b"two")
    pointer = store.pointer()
    assert before is not None and pointer is not None
    assert 0 < len(pointer.statistics) <= 16
    assert before.statistics != pointer.statistics
    assert place.open().statistics() == b"two"
    assert store.status() == b"status"


def test_a_status_alone_is_no_generation(place: Place) -> None:
    """A status document before the first publication does not make a pointer."""
    store = place.open()
    store.publish_status(b"one")
    assert store.pointer() is None
    assert store.status() == b"one"


def test_the_same_bytes_can_be_several_things(place: Place) -> None:
    """Objects are shared by content; dropping one use leaves the others."""
    store = place.open()
    digest = store.put_blob(b"same")
    same = msgspec.structs.replace(publication("a", (digest,)), snapshot=b"same", memory=b"same")
    store.publish(same, owner=None)
    store.publish_status(b"same")
    store.remember(b"other", None)
    store.publish_status(b"another")
    assert store.snapshot("a") == b"same"
    assert store.blob(digest) == b"same"


def test_a_blob_is_its_hash(place: Place) -> None:
    """put_blob returns the SHA-256 and can be repeated."""
    store = place.open()
    digest = store.put_blob(b"networks")
    assert digest == hashlib.sha256(b"networks").hexdigest()
    assert store.put_blob(b"networks") == digest
    assert place.open().blob(digest) == b"networks"


def test_a_quick_look_finds_what_is_wrong_with_a_blob(place: Place) -> None:
    """A store has a blob only if all of it is there: another size is seen at once, and a damaged byte when
    its piece is looked at, as all are in turn. No more than a piece of the blob is read."""
    store = place.open()
    data = random.Random(1).randbytes(3 * LOOK_BYTES + 5)
    read: list[int] = []

    def read_piece(start: int, size: int) -> bytes:
        read.append(size)
        return data[start : start + size]

    blob = Blob(Blob.of(data).digest, len(data), read_piece)
    assert not store.has_blob(blob)
    assert store.put_blob(data) == blob.digest
    assert all(store.has_blob(blob) for _ in range(9))
    assert set(read) == {LOOK_BYTES}
    for damaged in (0, LOOK_BYTES, 2 * LOOK_BYTES + 7, len(data) - 1):
        wrong = data[:damaged] + bytes([data[damaged] ^ 1]) + data[damaged + 1 :]
        other = replace(Blob.of(wrong), digest=blob.digest)
        assert [store.has_blob(other) for _ in range(4)].count(False) == 1
    assert not store.has_blob(replace(Blob.of(data[:-1]), digest=blob.digest))


def test_a_blob_that_cannot_be_read_any_more(place: Place, tmp_path: Path) -> None:
    """While its file is away, its size decides whether the store has it; and it is not stored anew."""
    store = place.open()
    path = tmp_path / "blob"
    path.write_bytes(b"networks")
    blob = Blob.in_file(path, store.put_blob(b"networks"))
    assert blob.load() == b"networks"
    path.unlink()
    assert store.has_blob(blob)
    with pytest.raises(BlobError, match="cannot be read"):
        blob.load()
    path.write_bytes(b"netw0rks")
    assert not store.has_blob(blob)
    with pytest.raises(BlobError, match="damaged"):
        blob.load()


def test_a_publication_without_its_blobs_is_refused(place: Place) -> None:
    """The former generation stays current, with its memory."""
    store = place.open()
    store.publish(publication("a"), owner=None)
    with pytest.raises(StoreError, match=r"put them again"):
        store.publish(publication("b", ("0" * 64,)), owner=None)
    assert current(store) == "a"
    assert store.memory() == b"memory of a"
    assert store.snapshot("b") is None


def test_any_bytes_of_any_size_come_back(place: Place) -> None:
    """15 MB of noise, and names with any characters."""
    store = place.open()
    noise = random.Random(1).randbytes(15_000_000)
    store.publish(msgspec.structs.replace(publication("../ä\n"), snapshot=noise), owner=None)
    assert current(store) == "../ä\n"
    assert place.open().snapshot("../ä\n") == noise
    store.publish(msgspec.structs.replace(publication("b"), snapshot=b""), owner=None)
    assert store.snapshot("b") == b""


def test_one_holds_the_lease(place: Place) -> None:
    """The first gets it, and again when asking again; nobody else does until it is released."""
    first, second = place.open(), place.open()
    assert first.lease("one", 30)
    assert not second.lease("two", 30)
    assert first.lease("one", 30)
    assert not first.lease("two", 30)
    second.release("two")
    assert not second.lease("two", 30)
    first.release("one")
    assert second.lease("two", 30)
    assert not first.lease("one", 30)


def test_the_holder_is_known(place: Place) -> None:
    """To the workers, and to whoever only reads."""
    first, second, reader = place.open(), place.open(), place.open()
    assert reader.holder() is None
    first.lease("host/1/ab", 30)
    assert not second.lease("host/2/cd", 30)
    assert [store.holder() for store in (first, second, reader)] == ["host/1/ab"] * 3
    first.release("host/1/ab")
    assert reader.holder() is None


def test_release_without_lease_is_nothing(place: Place) -> None:
    """Also when nobody has ever held it."""
    store = place.open()
    store.release("one")
    assert store.lease("two", 30)


def test_only_the_holder_remembers(place: Place) -> None:
    """A worker that was stopped for longer than its lease does not bring back what it knew before."""
    first, second = place.open(), place.open()
    assert first.lease("one", 30)
    first.remember(b"old", "one")
    first.release("one")
    assert second.lease("two", 30)
    second.remember(b"new", "two")
    with pytest.raises(LeaseLost):
        first.remember(b"old", "one")
    assert second.memory() == b"new"


def test_only_the_holder_publishes(place: Place) -> None:
    """Somebody without the lease, or no longer with it, changes nothing by publishing."""
    first, second = place.open(), place.open()
    with pytest.raises(LeaseLost, match="one does not hold the lease"):
        first.publish(publication("a"), owner="one")
    assert first.pointer() is None
    assert first.lease("one", 30)
    first.publish(publication("a"), owner="one")
    first.release("one")
    assert second.lease("two", 30)
    with pytest.raises(LeaseLost):
        first.publish(publication("b"), owner="one")
    assert current(second) == "a"
    assert second.memory() == b"memory of a"
    second.publish(publication("c"), owner="two")
    assert current(first) == "c"


def test_a_request_is_taken_once(place: Place) -> None:
    """What was asked last is there for one taker, whichever process asks and whichever takes."""
    asking, taking = place.open(), place.open()
    asking.ask(b"first")
    asking.ask(b"second")
    assert taking.take_request() == b"second"
    assert taking.take_request() is None
    assert asking.take_request() is None


def test_a_heartbeat_stays_until_the_next(place: Place) -> None:
    """The last one is seen by others."""
    store = place.open()
    store.beat(b"1")
    store.beat(b"2")
    assert place.open().heartbeat() == b"2"


# --- what machines share -------------------------------------------------------------------------------

NAMES = ("survey/web1.example.org", "survey/../ä b", "scan/places-0f")


def test_what_is_shared_is_seen_by_others(place: Place) -> None:
    """A value is under its name until it is replaced or removed, and publications do not touch it."""
    writer, reader = place.open(), place.open()
    assert reader.shared() == {}
    assert reader.read_shared(NAMES[0]) is None
    for name in NAMES:
        writer.share(name, f"value of {name}".encode())
    assert set(reader.shared()) == set(NAMES)
    for generation in "abcd":
        writer.publish(publication(generation), owner=None)
    assert {name: reader.read_shared(name) for name in NAMES} == {
        name: f"value of {name}".encode() for name in NAMES
    }
    writer.unshare(NAMES[0], NAMES[1])
    writer.unshare(NAMES[0])
    assert set(reader.shared()) == {NAMES[2]}
    assert reader.read_shared(NAMES[0]) is None


def test_the_tag_of_a_shared_value_changes_with_it(place: Place) -> None:
    """Others need not read what has not changed."""
    writer, reader = place.open(), place.open()
    tags = []
    for value in (b"one", b"two and more"):
        for name in NAMES[:2]:
            writer.share(name, value)
        tags.append(reader.shared())
        assert reader.shared() == tags[-1]
    assert tags[0].keys() == tags[1].keys()
    assert not tags[0].items() & tags[1].items()


def test_large_values_can_be_shared(place: Place) -> None:
    """15 MB of noise, and nothing at all."""
    noise = random.Random(1).randbytes(15_000_000)
    store = place.open()
    store.share("scan/asn-1", noise)
    store.share("scan/asn-2", b"")
    assert place.open().read_shared("scan/asn-1") == noise
    assert place.open().read_shared("scan/asn-2") == b""
    assert set(store.shared()) == {"scan/asn-1", "scan/asn-2"}
