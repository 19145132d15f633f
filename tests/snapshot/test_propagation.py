"""The propagation document: read as it was published, and refused if it has values that cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.model import SnapshotError
from app.snapshot.propagation import Propagation, PropagationDocument, RepoPropagation
from app.snapshot.statistics import decode, encode
from app.worker.statistics import Shown, statistics_of
from tests.served import a_month, a_year

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NEVER = datetime(1, 1, 1, tzinfo=UTC)
REPO = "9.8/baseos/x86_64"
NAMES = ("a.example.org", "b.example.org")
DOCUMENT = a_month(NAMES, (REPO,), NOW)


def published(document: PropagationDocument) -> PropagationDocument:
    """What a reader has of it."""
    statistics = statistics_of(a_year(NAMES, places=10), Shown(10, NAMES, {}), NOW)
    found = decode(encode(*statistics, propagation=document)).propagation
    assert found is not None
    return found


def test_it_comes_back() -> None:
    """As a whole, of one repo, and of one mirror; of what is not known, nothing."""
    found = published(DOCUMENT)
    assert found.of_service() == DOCUMENT.of_service()
    assert found.of_repo(REPO) == DOCUMENT.of_repo(REPO) is not None
    for one in DOCUMENT.of_service().mirrors:
        assert found.of_mirror(one.mirror) == one
    assert (found.of_repo("9.8/no/x86_64"), found.of_mirror("c.example.org")) == (None, None)


def packed(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def of_service(**changes: Any) -> PropagationDocument:
    service: Propagation = msgspec.structs.replace(DOCUMENT.of_service(), **changes)
    return PropagationDocument(service=packed(service), repos=DOCUMENT.repos)


def of_repo(key: str = REPO, **changes: Any) -> PropagationDocument:
    repo = DOCUMENT.of_repo(REPO)
    assert repo is not None
    changed: RepoPropagation = msgspec.structs.replace(repo, **changes)
    return PropagationDocument(service=DOCUMENT.service, repos={key: packed(changed)})


def with_version(**changes: Any) -> PropagationDocument:
    repo = DOCUMENT.of_repo(REPO)
    assert repo is not None
    return of_repo(versions=(msgspec.structs.replace(repo.versions[0], **changes),))


IMPOSSIBLE = {
    "compiled in no year": of_service(compiled_at=NEVER),
    "since no year": of_service(since=NEVER),
    "other hours": of_service(after_h=(1, 2)),
    "more parts than hours": of_service(had=(0.5,) * 20),
    "a part above one": of_service(had=(1.5,)),
    "a repo under another name": of_repo("9.8/appstream/x86_64"),
    "no versions": of_repo(versions=()),
    "a version of no year": with_version(at=NEVER),
    "more numbers than hours": with_version(had=(1,) * 20),
    "a number below zero": with_version(have=-1),
    "something else": PropagationDocument(service=packed("text")),
}


@pytest.mark.parametrize("document", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_values(document: PropagationDocument) -> None:
    """The statistics document is refused with them."""
    with pytest.raises(SnapshotError):
        published(document)
