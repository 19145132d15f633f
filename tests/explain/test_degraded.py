"""What is said of a mirror that lacks some of what it is meant to have."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.explain.mirror_report import mirror_report
from app.model import Content, MirrorState, Status
from app.render import facts
from app.render.html import Frame
from app.render.mirror_pages import mirror_page
from tests.builders import NOW, Network, a_client, a_mirror, a_state, question
from tests.explain.test_explanation import explained

KEY, OTHER = "9.8/baseos/x86_64", "9.8/baseos/aarch64"
WHY = f"it lacks 1 of 2 directories: {KEY} (missing)"
SINCE, AGAIN = NOW - timedelta(hours=3), NOW + timedelta(minutes=45)
LACKING = a_state(
    "m",
    Status.DEGRADED,
    reason=WHY,
    since=SINCE,
    content={KEY: Content.MISSING, OTHER: Content.CURRENT},
    isos={"9.8/x86_64": True, "9.8/aarch64": False},
    asked_again={KEY: AGAIN, "9.8/aarch64": AGAIN + timedelta(hours=1)},
)


def network_of(state: MirrorState | None) -> Network:
    states = () if state is None else (state,)
    return Network(mirrors=(a_mirror("m", "paris"), a_mirror("n", "munich")), states=states)


def test_it_is_in_all_other_lists() -> None:
    """Where it lacks the repo, it is not listed, and is said to be asked again; elsewhere it is listed."""
    network = network_of(LACKING)
    [entry] = explained(network, a_client("paris"), question(network.config)).excluded
    assert (entry.mirror, entry.reason.value) == ("m.example.org", "not carried")
    assert entry.evidence == (
        f"{KEY} is missing there, last asked 2026-11-20 10:15 UTC, again about 2026-11-20 11:00 UTC"
    )
    served = explained(network, a_client("paris"), question(network.config, arch="aarch64")).served
    assert served[0].mirror == "m.example.org"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(LACKING, ("degraded", WHY, SINCE), id="as the prober says"),
        pytest.param(
            a_state("m", since=SINCE, content={KEY: Content.CORRUPT}),
            ("degraded", "it lacks some of what it is meant to have", None),
            id="as its repos say, whatever the prober calls it",
        ),
        pytest.param(
            a_state("m", since=SINCE, content={KEY: Content.PREVIOUS}), ("ok", None, SINCE), id="ok"
        ),
        pytest.param(
            a_state("m", Status.UNREACHABLE, reason="no", since=SINCE, content={KEY: Content.MISSING}),
            ("unreachable", "no", SINCE),
            id="down",
        ),
    ],
)
def test_its_status(state: MirrorState, expected: tuple[str, str | None, object]) -> None:
    """Degraded, with reason and since when, as far as these are known."""
    snapshot = network_of(state).load()
    report = mirror_report(snapshot, snapshot.number["m.example.org"], {"m.example.org": state}, None)
    assert (report.status, report.reason, report.since) == expected


def test_its_page() -> None:
    """What it lacks, ISOs too, and about when it is asked again."""
    snapshot = network_of(LACKING).load()
    states = {"m.example.org": LACKING}
    report = mirror_report(snapshot, snapshot.number["m.example.org"], states, None)
    rows = dict(facts.mirror_rows(report))
    assert rows["status"] == f"degraded: {WHY}, since 2026-11-20 07:15 UTC"
    assert rows["missing"] == KEY
    assert (rows["ISOs"], rows["no ISOs"]) == ("1 of 2 directories", "9.8/aarch64")
    assert rows["asked again"] == f"for {KEY} about 2026-11-20 11:00 UTC; for 1 more later"
    page = mirror_page(Frame(), report).at(0).decode()
    assert f"It will be asked again for {KEY} about 2026-11-20 11:00 UTC; for 1 more later." in page
