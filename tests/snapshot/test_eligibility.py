"""Which mirror may be served for what: declarations, the prober's word, and what nobody knows yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from app.model import Content, Exclusion, Fate, Mirror, MirrorState, ProbeRound, Repo, ServiceConfig, Status
from app.snapshot.eligibility import (
    Questions,
    content_age_s,
    fates,
    is_allowed,
    is_served,
    is_well,
)
from tests.builders import NOW, ROUND, a_config, a_mirror, a_state, in_cloud

BASEOS = "9.8/baseos/x86_64"
STALE_AGE = timedelta(hours=14)
GOOD, UNKNOWN, PARTIAL = Fate.GOOD, Fate.UNKNOWN, Fate.PARTIAL

Verdict = Fate | Exclusion

KITTEN = {"kitten": {"https": "https://m.example.org/kitten/"}}


def whole(name: str, **changes: Any) -> Mirror:
    """A mirror that carries everything there is."""
    return a_mirror(name, **{"module_addresses": KITTEN, **changes})


def verdicts(
    mirror: Mirror,
    state: MirrorState | None = None,
    last_round: ProbeRound | None = ROUND,
    config: ServiceConfig | None = None,
) -> dict[str, Verdict]:
    """What is decided of one mirror, by question about what is not in the vault."""
    questions = Questions(config or a_config())
    states = {mirror.name: state} if state else {}
    column = map(Fate, fates(questions, [mirror], states, last_round)[:, 0].tolist())
    found = zip(questions.keys, column, strict=True)
    return {key: fate.exclusion or fate for key, fate in found if not key.endswith("//")}


def carried(found: dict[str, Verdict]) -> set[str]:
    return {key for key, verdict in found.items() if isinstance(verdict, Fate)}


def test_questions_are_what_mirrors_can_be_asked_for() -> None:
    """Each release's ISOs and all repos, for each of its arches and without one; a repo with the same
    path for all arches once; all that the vault has of a release once."""
    keys = Questions(a_config()).keys
    assert {key for key in keys if "nfv" in key} == {
        "9.8/nfv/x86_64",
        "9.8/nfv/aarch64",
        "9.8/nfv/s390x",
        "9.8/nfv/",
        "10-kitten/nfv/x86_64",
        "10-kitten/nfv/aarch64",
        "10-kitten/nfv/",
    }
    assert {key for key in keys if "sources" in key} == {"9.8/sources/", "10-kitten/sources/"}
    assert [key for key in keys if "//" in key] == [
        "9.8//x86_64",
        "9.8//aarch64",
        "9.8//s390x",
        "10-kitten//x86_64",
        "10-kitten//aarch64",
        "9.7//",
        "9.8//",
        "10-kitten//",
    ]
    assert [key for key in keys if key.startswith("9.7") or "debug" in key] == ["9.7//"]
    assert len(set(keys)) == len(keys)


# --- the mirror as a whole ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(a_state("m"), UNKNOWN, id="ok: nobody has looked at this repo"),
        pytest.param(a_state("m", Status.STALE), Exclusion.STALE, id="called stale"),
        pytest.param(a_state("m", Status.UNREACHABLE), Exclusion.UNREACHABLE, id="unreachable"),
        pytest.param(a_state("m", Status.BROKEN), Exclusion.BROKEN, id="broken"),
        pytest.param(a_state("m", age=STALE_AGE), Exclusion.STALE, id="ok, but 14 hours behind the origin"),
        pytest.param(a_state("m", age=timedelta(hours=12)), UNKNOWN, id="just within the 12 hours allowed"),
        pytest.param(a_state("m", timestamp=None), UNKNOWN, id="no timestamp: its age is not known"),
        pytest.param(None, Exclusion.NOT_PROBED, id="added after the last round"),
    ],
)
def test_status_of_a_probed_mirror(state: MirrorState | None, expected: Verdict) -> None:
    """Every status has its own reason, for every question."""
    assert set(verdicts(whole("m"), state).values()) == {expected}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("trusted", [{"private": True}, {"probe": False}], ids=["private", "probe: false"])
def test_mirrors_that_are_not_probed_are_good(trusted: dict[str, bool], status: Status) -> None:
    """With or without a state, whatever it says, and before as well as after a round."""
    mirror = whole("m", **trusted)
    state = a_state("m", status, STALE_AGE, content={BASEOS: Content.MISSING})
    assert set(verdicts(mirror, None).values()) == {GOOD}
    assert set(verdicts(mirror, None, None).values()) == {GOOD}
    assert set(verdicts(mirror, state).values()) == {GOOD}


@pytest.mark.parametrize("changes", [{}, {"private": True}, {"probe": False}], ids=str)
def test_disabled(changes: dict[str, Any]) -> None:
    """Whoever is disabled is not served, however good."""
    assert set(verdicts(whole("m", disabled=True, **changes), a_state("m")).values()) == {Exclusion.DISABLED}


def test_cloud_mirrors_are_probed_like_others() -> None:
    """A mirror inside a provider is public enough to be asked."""
    mirror = in_cloud("m", None, "aws", "us-east-1")
    assert verdicts(mirror)[BASEOS] is Exclusion.NOT_PROBED


# --- what the prober has and has not seen ----------------------------------------------------------------


def test_before_the_first_round_everybody_is_served() -> None:
    """A service that has no prober yet serves what is declared, as not known."""
    assert set(verdicts(whole("m"), None, None).values()) == {UNKNOWN}


def test_one_state_file_alone() -> None:
    """One mirror's state without a completed round says something of that mirror and of no other."""
    questions = Questions(a_config())
    mirrors = [whole("a"), whole("b")]
    state = a_state("a", content={BASEOS: Content.CURRENT})
    states = {state.mirror: state}
    table = fates(questions, mirrors, states, None)
    assert table[questions.number[BASEOS]].tolist() == [GOOD, UNKNOWN]
    assert set(table[:, 1].tolist()) == {UNKNOWN, Fate.IN_VAULT}


def test_a_prober_that_stops_makes_nobody_stale() -> None:
    """Age is judged at the time of the probe: the same state says the same a year later."""
    fresh, late = a_state("m"), a_state("m", probed_at=NOW - timedelta(days=365), origin_timestamp=None)
    late_too = a_state(
        "m",
        probed_at=NOW - timedelta(days=365),
        timestamp=NOW - timedelta(days=365, hours=1),
        origin_timestamp=None,
    )
    assert content_age_s(fresh) == 0
    assert content_age_s(late) == 0
    assert content_age_s(late_too) == 3600
    assert verdicts(whole("m"), late_too)[BASEOS] is UNKNOWN


@pytest.mark.parametrize(
    ("behind_h", "origin_behind_h", "age_h"),
    [
        pytest.param(14, 0, 14, id="the origin is fresh"),
        pytest.param(14, 14, 0, id="nothing was published for 14 hours"),
        pytest.param(1, 5, 0, id="a mirror ahead of what the origin said"),
        pytest.param(14, None, 14, id="against the clock where the origin was not asked"),
    ],
)
def test_age_is_measured_against_the_origin(behind_h: int, origin_behind_h: int | None, age_h: int) -> None:
    """An origin that publishes nothing for a day does not make its mirrors stale."""
    origin = None if origin_behind_h is None else NOW - timedelta(hours=origin_behind_h)
    state = a_state("m", age=timedelta(hours=behind_h), origin_timestamp=origin)
    assert content_age_s(state) == age_h * 3600


# --- content -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content.CURRENT, GOOD),
        (Content.PREVIOUS, GOOD),
        (Content.STALE, Exclusion.STALE),
        (Content.MISSING, Exclusion.NOT_CARRIED),
        (Content.CORRUPT, Exclusion.BROKEN),
    ],
)
def test_content_of_one_repo(content: Content, expected: Verdict) -> None:
    """What the prober found of one repo decides for it, and for no other."""
    found = verdicts(whole("m"), a_state("m", content={BASEOS: content}))
    assert found[BASEOS] is expected
    assert found["9.8/baseos/aarch64"] is UNKNOWN
    assert found["9.8/appstream/x86_64"] is UNKNOWN


def test_content_of_a_repo_for_all_arches() -> None:
    """A repo whose path has no $basearch is looked at once, and that counts for all of them."""
    found = verdicts(whole("m"), a_state("m", content={"9.8/sources/": Content.CURRENT}))
    assert found["9.8/sources/"] is GOOD


def test_isos() -> None:
    """A mirror is listed for ISOs where it has them, and where nobody has looked."""
    found = verdicts(whole("m"), a_state("m", isos={"9.8/x86_64": True, "9.8/aarch64": False}))
    assert found["9.8//x86_64"] is GOOD
    assert found["9.8//aarch64"] is Exclusion.NOT_CARRIED
    assert found["9.8//s390x"] is UNKNOWN


def test_keys_that_mean_nothing_here_are_ignored() -> None:
    """States outlive releases, and newer probers know more."""
    content = {"8.10/baseos/x86_64": Content.CORRUPT, "9.8/new/x86_64": Content.MISSING, "?": Content.STALE}
    found = verdicts(whole("m"), a_state("m", content=content, isos={"9.8": False, "": False}))
    assert set(found.values()) == {UNKNOWN}


# --- partial mirrors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "has", "has_not"),
    [
        pytest.param(
            {"repos": ("baseos",)},
            [BASEOS, "9.8/baseos/", "10-kitten/baseos/x86_64"],
            ["9.8/appstream/x86_64"],
            id="repos",
        ),
        pytest.param(
            {"arches": ("aarch64",)},
            ["9.8/baseos/aarch64", "9.8/baseos/", "9.8//aarch64"],
            [BASEOS, "9.8/nfv/x86_64", "9.8/nfv/", "9.8//x86_64"],
            id="arches",
        ),
        pytest.param(
            {"versions": ("10-kitten",)},
            ["10-kitten/baseos/x86_64"],
            [BASEOS, "9.8/baseos/", "9.8//x86_64"],
            id="versions",
        ),
        pytest.param(
            {"versions": ("9.7",)}, [], [BASEOS, "10-kitten/baseos/x86_64"], id="a vault release only"
        ),
        pytest.param({"module_addresses": {}}, [BASEOS], ["10-kitten/baseos/x86_64"], id="no module"),
        pytest.param(
            {"addresses": {}},
            ["10-kitten/baseos/x86_64", "10-kitten//x86_64"],
            [BASEOS, "9.8//x86_64"],
            id="a module only",
        ),
    ],
)
def test_partial_mirrors(changes: dict[str, Any], has: list[str], has_not: list[str]) -> None:
    """A mirror is asked for what it is declared to carry; what it does not is no fault of it."""
    found = verdicts(whole("m", **changes), a_state("m"))
    assert carried(found) >= set(has)
    assert {found[key] for key in has_not} == {Exclusion.NOT_CARRIED}


def test_a_probe_does_not_add_to_a_declaration() -> None:
    """What a partial mirror does not declare is not served, even where the prober happened to see it."""
    state = a_state("m", content={BASEOS: Content.CURRENT, "9.8/appstream/x86_64": Content.CURRENT})
    found = verdicts(whole("m", repos=("baseos",)), state)
    assert (found[BASEOS], found["9.8/appstream/x86_64"]) == (GOOD, Exclusion.NOT_CARRIED)


@pytest.mark.parametrize("status", [Status.UNREACHABLE, Status.BROKEN, Status.STALE])
def test_a_fault_is_named_only_for_what_is_carried(status: Status) -> None:
    """An unreachable mirror is missed where it would be served; elsewhere it is just not carried, and
    so no last resort either."""
    found = verdicts(whole("m", arches=("aarch64",)), a_state("m", status))
    assert found["9.8/baseos/aarch64"] is Exclusion(status.value)
    assert found["9.8/baseos/"] is Exclusion(status.value)
    assert found[BASEOS] is Exclusion.NOT_CARRIED


# --- where a repo is not expected ---------------------------------------------------------------------------

NFV = "9.8/nfv/aarch64"
"""The config expects nfv for x86_64 alone."""


@pytest.mark.parametrize(
    ("changes", "state", "expected"),
    [
        pytest.param({}, a_state("m"), UNKNOWN, id="the prober has not looked"),
        pytest.param({}, a_state("m", content={NFV: Content.MISSING}), Exclusion.NOT_CARRIED, id="missing"),
        pytest.param({}, a_state("m", content={NFV: Content.CURRENT}), GOOD, id="it is known to be there"),
        pytest.param({}, a_state("m", Status.UNREACHABLE), Exclusion.UNREACHABLE, id="unreachable"),
        pytest.param({}, a_state("m", age=STALE_AGE), Exclusion.STALE, id="stale"),
        pytest.param({}, None, Exclusion.NOT_PROBED, id="not probed"),
        pytest.param({"disabled": True}, a_state("m"), Exclusion.DISABLED, id="disabled"),
        pytest.param({"probe": False}, None, GOOD, id="taken as good"),
        pytest.param({"repos": ("baseos",)}, a_state("m"), Exclusion.NOT_CARRIED, id="another repo"),
        pytest.param({"arches": ("x86_64",)}, a_state("m"), Exclusion.NOT_CARRIED, id="another arch"),
        pytest.param({"versions": ("10-kitten",)}, a_state("m"), Exclusion.NOT_CARRIED, id="another release"),
    ],
)
def test_where_a_repo_is_not_expected(
    changes: dict[str, Any], state: MirrorState | None, expected: Verdict
) -> None:
    """Mirrors that are declared to carry it and are well are served there, but for one that is known
    not to have it."""
    assert verdicts(whole("m", **changes), state)[NFV] is expected


def test_a_repo_is_known_by_the_name_that_is_expected() -> None:
    """Two repos may share a path, each in releases of its own: what the prober found of it holds under
    both names."""
    path = "HighAvailability/$basearch/os/"
    older = Repo(name="ha", path=path, releases=("8.10",))
    newer = Repo(name="highavailability", path=path, releases=("9.8",))
    config = a_config(repos=(older, newer))
    state = a_state("m", content={"9.8/highavailability/x86_64": Content.MISSING})
    found = verdicts(whole("m"), state, config=config)
    assert found["9.8/ha/x86_64"] is found["9.8/highavailability/x86_64"] is Exclusion.NOT_CARRIED
    assert found["9.8/ha/aarch64"] is UNKNOWN


# --- without an arch ----------------------------------------------------------------------------------------

ALL_CURRENT = dict.fromkeys(
    (f"9.8/baseos/{arch}" for arch in ("x86_64", "aarch64", "s390x")), Content.CURRENT
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(ALL_CURRENT, GOOD, id="all arches known good"),
        pytest.param({}, UNKNOWN, id="all unknown"),
        pytest.param({BASEOS: Content.CURRENT}, UNKNOWN, id="as good as its worst arch"),
        pytest.param({**ALL_CURRENT, BASEOS: Content.MISSING}, PARTIAL, id="one of them missing"),
        pytest.param({BASEOS: Content.CORRUPT}, PARTIAL, id="one of them broken"),
        pytest.param(dict.fromkeys(ALL_CURRENT, Content.MISSING), Exclusion.NOT_CARRIED, id="none"),
        pytest.param(
            {**dict.fromkeys(ALL_CURRENT, Content.MISSING), BASEOS: Content.STALE},
            Exclusion.STALE,
            id="none, and one of them stale",
        ),
    ],
)
def test_asked_without_an_arch(content: dict[str, Content], expected: Verdict) -> None:
    """Mirrors that carry a repo for all arches come before those that carry some."""
    assert verdicts(whole("m"), a_state("m", content=content))["9.8/baseos/"] is expected


def test_without_an_arch_a_repo_of_one_arch_is_whole() -> None:
    """Only the arches that the repo is expected for count."""
    found = verdicts(whole("m", arches=("x86_64",)), a_state("m"))
    assert found["9.8/nfv/"] is UNKNOWN
    assert found["10-kitten/nfv/"] is PARTIAL  # expected for none there: all of them count
    assert found["9.8/baseos/"] is PARTIAL


def test_codes_and_reasons_are_each_others_inverse() -> None:
    """A tier is no exclusion, and each exclusion has a code above all tiers."""
    assert [fate for fate in Fate if fate.exclusion is None] == [GOOD, UNKNOWN, PARTIAL]
    assert {fate.exclusion for fate in Fate} == {None, *Exclusion}
    assert min(fate for fate in Fate if fate.exclusion) > PARTIAL


@pytest.mark.parametrize(
    ("fate", "served", "well", "allowed"),
    [
        (Fate.GOOD, True, True, True),
        (Fate.UNKNOWN, True, True, True),
        (Fate.PARTIAL, True, True, True),
        (Fate.DISABLED, False, False, False),
        (Fate.NOT_PROBED, False, False, True),
        (Fate.UNREACHABLE, False, False, True),
        (Fate.BROKEN, False, False, True),
        (Fate.CORRUPT_REPO, False, True, True),
        (Fate.STALE, False, False, True),
        (Fate.STALE_REPO, False, True, True),
        (Fate.MISSING_REPO, False, True, True),
        (Fate.UNDECLARED, False, False, False),
        (Fate.IN_VAULT, False, False, False),
    ],
)
def test_what_a_fate_says(fate: Fate, served: bool, well: bool, allowed: bool) -> None:
    """Whether a mirror is served, whether it is well as a whole, and whether its file lets it be served."""
    table = np.array([[fate]], np.uint8)
    assert [is_served(table).item(), is_well(table).item(), is_allowed(table).item()] == [
        served,
        well,
        allowed,
    ]
