"""Puts the facts of an explanation into words, as rows of a label and a text. Text and HTML have the same
rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from app.explain.client_facts import ClientFacts, GeoipDatabase
from app.explain.evidence import hours
from app.explain.explanation import ExcludedEntry, Explanation, QuestionFacts, Rank
from app.explain.mirror_report import Location, MeasuredPlace, MirrorReport, probed
from app.model import Exclusion, Overall, Pass
from app.model.place import region_in
from app.model.words import moment
from app.snapshot.propagation import MirrorDelay
from app.snapshot.statistics import MirrorRequests

Row = tuple[str, str]
TERMS = ("distance", "border", "continent", "load", "weight", "spread")
CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}

_FIRST_BECAUSE: Mapping[Pass, str] = {
    Pass.EXCLUSIVE: "the client's network has it to itself",
    Pass.NETBLOCK: "it serves the client's network",
    Pass.REGION: "it is for the client's cloud region",
    Pass.ASN: "it is in the network of the client's provider",
    Pass.GEOGRAPHY: "it is near",
    Pass.LAST_RESORT: "no better one is known",
}
STATUS_KINDS: Mapping[Overall, str] = {
    "ok": "ok",
    "degraded": "warn",
    "not probed": "off",
    "stale": "bad",
    "unreachable": "bad",
    "broken": "bad",
    "disabled": "off",
    "not carried": "off",
}
"""How good a status is, in the words that the style sheet has colours for."""


def size(in_bytes: int) -> str:
    """Returns a size as people say it of images: in MB, or from a thousand of these on in GB."""
    megabytes = in_bytes / 1e6
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def is_web_address(url: str) -> bool:
    """Returns whether a URL may be a link on a page: http or https alone."""
    return url.lower().startswith(("https://", "http://"))


def client_rows(client: ClientFacts) -> list[Row]:
    """Returns what is known of the client (address, place, network, class and so on) as rows of a label and a
    text, for an explanation or for `/whoami`."""
    rows = [("address", f"{client.address} ({client.family}), from {_found(client.found)}")]
    rows += [("ignored", f'"{ignored.value}": {ignored.why}') for ignored in client.ignored]
    rows += [
        ("GeoIP", _geoip(client)),
        *_database(client.database),
        ("place", _place(client) + (f", from geofeed {client.geofeed}" if client.geofeed else "")),
        ("cloud", _cloud(client)),
        ("ASN", f"AS{client.asn}" if client.asn else "none that matters here"),
        ("network", client.network or "none that matters here"),
        ("spread", f"{client.spread} of 0 to 31"),
        ("class", client.class_),
    ]
    if client.note:
        rows.append(("note", client.note))
    return rows


def _found(source: str) -> str:
    return {"socket": "the socket", "unix socket": "a unix socket", "ip=": "ip= in the request"}.get(
        source, source
    )


def _geoip(client: ClientFacts) -> str:
    if client.geofeed:
        return "not asked, because a geofeed says where the client is"
    if client.database is None:
        return "there is no GeoIP database"
    if client.country is None:
        continent = CONTINENTS.get(client.continent or "")
        return f"somewhere in {continent}, no more is known" if continent else "nothing known of this address"
    country = f"{client.country_name} ({client.country})" if client.country_name else client.country
    names = [name for name in (client.city, client.subdivision) if name]
    where = ", ".join([*dict.fromkeys(names), country])
    if client.latitude is not None and client.longitude is not None:
        where += f", {degrees(client.latitude, client.longitude)}"
    elif client.precision != "cell":
        where += ", nothing more precise than the country"
    return where + (f", within {client.accuracy_radius_km} km" if client.accuracy_radius_km else "")


def degrees(latitude: float, longitude: float) -> str:
    """Returns coordinates in words for people, such as "50.11 N 8.68 E"."""
    return f"{abs(latitude):.2f} {'SN'[latitude >= 0]} {abs(longitude):.2f} {'WE'[longitude >= 0]}"


def _database(database: GeoipDatabase | None) -> list[Row]:
    if database is None:
        return []
    vendor = f"{database.vendor}, " if database.vendor else ""
    return [("database", f"{vendor}built {database.built:%Y-%m-%d}")]


def _place(client: ClientFacts) -> str:
    match client.precision:
        case "cell":
            return f"{client.place} (a square of one degree)"
        case "country":
            return f"{client.place} (the country alone: all of its mirrors count as equally near)"
        case "continent":
            return f"{client.place} (the continent alone: all of its mirrors count as equally near)"
    return "unknown (all mirrors count as equally near)"


def _cloud(client: ClientFacts) -> str:
    cloud = client.cloud
    if cloud is None:
        return "none"
    name = " ".join(filter(None, (cloud.provider, cloud.region or "in no region")))
    zone = f", zone {cloud.border_group}" if cloud.border_group else ""
    return name + zone + (f", by {cloud.prefix}" if cloud.prefix else "")


# --- the question ----------------------------------------------------------------------------------


def question_rows(question: QuestionFacts) -> list[Row]:
    """Returns the question that the client asked, as an explanation's rows of a label and a text."""
    defaulted = frozenset(question.defaulted)

    def row(name: str, text: str) -> Row:
        return name, f"{text} (default)" if name in defaulted else text

    alias = f", asked for as {question.asked}" if question.asked != question.release else ""
    family = f"IPv{question.family} only" if question.family else "any"
    rows = [
        row("release", question.release + alias),
        row("repo", question.repo or "none: the directories of ISOs"),
        row("arch", question.arch or "not named, so $basearch stays in the URLs"),
        row("protocol", " or else ".join(question.protocols)),
        row("family", family),
        row("limit", str(question.limit)),
    ]
    if question.worldwide:
        rows.append(("country", "global: as for a client of whom nothing is known"))
    if question.countries:
        rows.append(("country", f"{', '.join(question.countries)} only"))
    if question.exclude_countries:
        rows.append(("exclude_country", ", ".join(question.exclude_countries)))
    if question.region:
        rows.append(("region", f"{question.region}, whatever the client's address"))
    if question.avoid:
        rows.append(("avoid", ", ".join(question.avoid)))
    if question.fill:
        end = "country" if question.fill == "no" else "continent"
        rows.append(("fill", f"{question.fill}: the list ends with the client's {end}"))
    if question.ignored:
        rows.append(("ignored", question.ignored))
    return rows


def title(question: QuestionFacts) -> str:
    """Returns the title of an explanation, which says what was asked for."""
    what = " ".join(filter(None, (question.repo or "ISOs", question.arch)))
    return f"{what} of release {question.release}"


def answer_line(explanation: Explanation) -> str:
    """Returns a line that says how many mirrors the answer has and what decided it."""
    served, total = explanation.served_count, explanation.served_count + explanation.excluded_count
    if explanation.reason in ("origin", "vault"):
        return f"the {explanation.reason} alone; {explanation.excluded_count} mirrors are left out"
    return f"{served} of {total} mirrors; decided by: {explanation.reason}"


def answer_sentence(explanation: Explanation) -> str:
    """Returns the answer as a sentence: who gets how many mirrors for what, which is the first, and why."""
    who = f"{explanation.client.address} gets"
    of = title(explanation.question)
    if explanation.reason in (Pass.ORIGIN, Pass.VAULT):
        return f"{who} the {explanation.reason} alone for {of}."
    count, total = explanation.served_count, explanation.served_count + explanation.excluded_count
    answer = f"{who} {f'{count} of {total} mirrors' if count else 'no mirror'} for {of}."
    if explanation.mirror is not None:
        return f"{answer} {_one_of_them(explanation)}"
    if not explanation.served:
        return answer
    first = explanation.served[0]
    where = ", ".join(filter(None, (first.city, first.country)))
    near = f"{first.mirror}{f' ({where})' if where else ''}"
    return f"{answer} The first is {near}, because {_FIRST_BECAUSE[first.pass_]}."


def _one_of_them(explanation: Explanation) -> str:
    """Returns the sentence about the one mirror that the explanation is about."""
    for served in explanation.served:
        return f"{served.mirror} is number {served.position} of them."
    for left_out in explanation.excluded:
        why = f"{left_out.reason}: {left_out.evidence}"
        return f"{left_out.mirror} is not one of them, for one reason: {why}."
    return ""


def by_reason(explanation: Explanation) -> list[tuple[Exclusion, list[ExcludedEntry]]]:
    """Returns the mirrors that are left out by their reason, those of a reason nearest first. Reasons that
    keep a mirror out for good come before the others."""
    groups: dict[Exclusion, list[ExcludedEntry]] = {}
    for entry in explanation.excluded:
        groups.setdefault(entry.reason, []).append(entry)
    return sorted(groups.items(), key=lambda group: (not is_bad(group[0]), group[0]))


def ranked_from(explanation: Explanation) -> str:
    """Returns the place that distances are measured from, in words for people."""
    region = region_in(explanation.ranked_from)
    if region is not None:
        return f"the cloud region {region}"
    return explanation.ranked_from or "nowhere in particular"


def rank(entry: Rank) -> str:
    """Returns the rank of a mirror as the sum of its terms, in words and without the terms that are zero."""
    terms = [(name, getattr(entry, f"{name}_km")) for name in TERMS]
    parts = [f"{name} {km:,.1f}" for name, km in terms if km]
    return f"rank {entry.rank_km:,.1f} km = {' + '.join(parts) or '0'}"


def is_bad(reason: Exclusion) -> bool:
    """Returns whether a reason keeps a mirror out for good. It does not if the mirror only ranks behind
    others, if its base URL is listed for another mirror, or if the client does not want it."""
    return reason not in (Exclusion.RANK, Exclusion.SAME_ADDRESS, Exclusion.AVOIDED)


def generation_rows(explanation: Explanation) -> list[Row]:
    """Returns rows of a label and a text about the generation (published snapshot) that an explanation is
    based on, and about the time when each of its inputs was read."""
    now = explanation.published_at + timedelta(seconds=explanation.age_s)
    rows = [
        ("generation", explanation.generation),
        ("published", f"{moment(explanation.published_at)}, {age(explanation.age_s)} ago"),
    ]
    by_time: dict[datetime, list[str]] = {}
    for name, read in explanation.inputs_read.items():
        by_time.setdefault(read, []).append(name)
    for read, names in sorted(by_time.items()):
        ago = age(max(0.0, (now - read).total_seconds()))
        rows.append(("inputs read", f"{', '.join(sorted(names))}: {moment(read)}, {ago} ago"))
    return rows


def age(seconds: float) -> str:
    """Returns a length of time in days, hours, minutes or seconds, in the largest of these units of which
    there are at least two."""
    for unit, length_s in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


# --- one mirror ------------------------------------------------------------------------------------


def mirror_rows(report: MirrorReport) -> list[Row]:
    """Returns the state and the settings of one mirror as rows of a label and a text, for an explanation or
    for the mirror's page."""
    status = report.status + (f": {report.reason}" if report.reason else "")
    rows = [
        ("status", status + (f", since {moment(report.since)}" if report.since else "")),
        ("last asked", probed(report)),
        ("age", f"{hours(report.age_s)} behind the origin" if report.age_s is not None else "unknown"),
        ("location", _location(report.location)),
        *(("GeoIP", text) for text in measured(report.measured)),
        *_addresses(report),
        ("families", ", ".join(f"{_family(n)} {_works(w)}" for n, w in report.families.items())),
        ("weight", f"{report.weight:g}"),
    ]
    if report.cloud:
        regions = ", ".join(report.cloud.regions) or "all regions"
        rows.append(("cloud", f"{report.cloud.provider}, {regions}"))
    if report.asns:
        rows.append(("ASNs", ", ".join(f"AS{asn}" for asn in report.asns)))
    if report.countries:
        rows.append(("serves", f"{', '.join(report.countries)} only"))
    if report.exclude_countries:
        rows.append(("keeps out", ", ".join(report.exclude_countries)))
    contents = [*_contents(report), *_isos(report.isos), *_vault(report.vault)]
    return [*rows, *contents, *again(report), *request_rows(report.requests)]


def _addresses(report: MirrorReport) -> Iterable[Row]:
    urls = [*report.urls.values(), *(url for urls in report.module_urls.values() for url in urls.values())]
    return [("address", url) for url in urls] or [("address", "none")]


def _location(location: Location) -> str:
    name = ", ".join(filter(None, (location.city, location.country)))
    if location.latitude is None or location.longitude is None:
        return f"{name or 'unknown'}; where exactly is not known, so it counts as farthest of all"
    where = ", ".join(filter(None, (name, degrees(location.latitude, location.longitude))))
    return where + (f", taken from {location.taken_from}" if location.taken_from else "")


def measured(places: Iterable[MeasuredPlace]) -> Iterable[str]:
    """Yields for each address of a mirror where GeoIP has it."""
    for found in places:
        where = ", ".join(filter(None, (found.city, found.country))) or "no known place"
        far = f", {found.distance_km:,.0f} km from its location" if found.distance_km is not None else ""
        yield f"its address {found.address} is in {where}{far}"


def _family(name: str) -> str:
    return name.replace("ip", "IP")


def _works(works: bool | None) -> str:
    return "not tried" if works is None else "works" if works else "does not work"


def _contents(report: MirrorReport) -> list[Row]:
    """Returns rows of a label and a text that say how many of a mirror's repos have each verdict, and which
    repos are at fault."""
    content = report.content
    counts = Counter(content.values())
    rows = [("repos", ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "none")]
    for verdict in ("stale", "missing", "corrupt"):
        keys = [key for key, found in content.items() if found == verdict]
        if 0 < len(keys) < len(content):
            rows.append((verdict, ", ".join(keys)))
    return rows


def _isos(isos: dict[str, bool]) -> list[Row]:
    missing = [key for key, has in isos.items() if not has]
    rows = [("ISOs", f"{len(isos) - len(missing)} of {len(isos)} directories")] if isos else []
    return [*rows, ("no ISOs", ", ".join(missing))] if 0 < len(missing) < len(isos) else rows


def _vault(vault: dict[str, bool]) -> list[Row]:
    has = [release for release, there in vault.items() if there]
    return [("vault", f"{len(has)} of {len(vault)} releases")] if vault else []


def again(report: MirrorReport) -> list[Row]:
    """Returns the row that says when the prober asks a mirror again for what it lacks."""
    if not report.asked_again:
        return []
    first = min(report.asked_again.values())
    keys = [key for key, again in report.asked_again.items() if again == first]
    later = len(report.asked_again) - len(keys)
    more = f"; for {later} more later" if later else ""
    return [("asked again", f"for {', '.join(keys)} about {moment(first)}{more}")]


def request_rows(requests: MirrorRequests | None) -> list[Row]:
    """Returns the row that says what a mirror is sent, beside what was planned."""
    if requests is None:
        return []
    number = f"{requests.requests:,} since {requests.since}"
    if requests.sent is None or requests.planned is None:
        return [("requests", number)]
    sent, planned = percent(requests.sent), percent(requests.planned)
    return [("requests", f"{number}, {sent} of those of all ranked mirrors; planned is {planned}")]


def delay(seconds: float | None) -> str:
    """Returns in words how long after the origin something was there; nothing for None."""
    if seconds is None:
        return ""
    return age(seconds) if seconds >= 1 else "at once"


def delay_sentence(one: MirrorDelay) -> str:
    """Returns in a sentence or two how fast a mirror has new versions."""
    lacking = f" It still lacks {one.lacking} others." if one.lacking else ""
    if one.median_s is None:
        return f"It has had no new version in the last days.{lacking}"
    after = "at once" if one.median_s < 1 else f"{age(one.median_s)} after the origin"
    return f"In the median of the last {one.versions} new versions, it had them {after}.{lacking}"


def percent(part: float | None) -> str:
    """Returns a part of the whole in per cent, with as many digits as tell small parts apart; nothing for
    None."""
    return "" if part is None else f"{part:.2%}" if part < 0.1 else f"{part:.1%}"
