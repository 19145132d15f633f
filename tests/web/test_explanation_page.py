"""`/explain` in a browser: a question that can be chosen, the answer as a sentence, and reasons to unfold."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import unescape

import pytest

from tests.web.asking import FRANKFURT, LIST, NOWHERE, Ask

AS_PAGE, AS_JSON = {"Accept": "text/html"}, {"Accept": "application/json"}
EXPLAIN = f"/explain?release=9&repo=baseos&arch=x86_64&ip={FRANKFURT}"

FOLDED = r'<details>\n<summary>(.*?) <span class="count">\((\d+)\)</span></summary>(.*?)</details>'


def page(ask: Ask, target: str) -> str:
    answer = ask(target, headers=AS_PAGE)
    assert answer.status == 200
    return unescape(answer.body.decode())


def lead(text: str) -> str:
    [sentence] = re.findall('<p class="lead">(.*?)</p>', text, re.DOTALL)
    return str(sentence)


def choices(text: str, field: str) -> list[str]:
    [select] = re.findall(f'<select name="{field}">(.*?)</select>', text, re.DOTALL)
    return re.findall('<option value="([^"]*)"', select)


@pytest.mark.parametrize("field", ["release", "repo"])
def test_every_choice_is_one(ask_quickly: Ask, field: str) -> None:
    """Whatever the form offers, an explanation can be had of it, and then it is what is chosen."""
    values = choices(page(ask_quickly, EXPLAIN), field)
    assert len(values) > 3
    for value in values:
        assert f'<option value="{value}" selected>' in page(ask_quickly, f"/explain?{field}={value}")


def test_every_arch_is_one_of_a_release(ask_quickly: Ask) -> None:
    """Where a release does not have it, the answer says which it has."""
    text = page(ask_quickly, EXPLAIN)
    releases, arches = choices(text, "release"), choices(text, "arch")
    assert arches[0] == "" and len(arches) > 3
    asked = [
        [ask_quickly(f"/explain?release={release}&arch={arch}") for release in releases] for arch in arches
    ]
    assert all(200 in {answer.status for answer in answers} for answers in asked)
    refused = [answer for answers in asked for answer in answers if answer.status != 200]
    assert refused and all(b"\nKnown: x86_64" in answer.body for answer in refused)


def test_what_the_form_does_not_show_stays(ask_quickly: Ask) -> None:
    """Filters of the request are in the next question too."""
    text = page(ask_quickly, f"{EXPLAIN}&country=DE&limit=3")
    assert '<input type="hidden" name="country" value="DE">' in text
    assert '<input type="hidden" name="limit" value="3">' in text
    assert f'name="ip" value="{FRANKFURT}"' in text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            EXPLAIN,
            f"{FRANKFURT} gets 10 of 46 mirrors for baseos x86_64 of release 9.8. The first is",
        ),
        (f"{EXPLAIN}&mirror=mirror.fra1.example.net", "mirror.fra1.example.net is number 1 of them."),
        (
            f"/explain?release=9.7&repo=baseos&ip={FRANKFURT}",
            "gets the vault alone for baseos of",
        ),
        (f"/explain?ip={NOWHERE}", f"{NOWHERE} gets 10 of"),
    ],
)
def test_the_answer_is_a_sentence(ask_quickly: Ask, target: str, words: str) -> None:
    """It stands on top."""
    assert words in lead(page(ask_quickly, target))


def test_a_mirror_that_is_left_out(ask_quickly: Ask) -> None:
    """The sentence says the reason."""
    found = json.loads(ask_quickly(EXPLAIN, headers=AS_JSON).body)["excluded"][0]
    sentence = lead(page(ask_quickly, f"{EXPLAIN}&mirror={found['mirror']}"))
    assert f"{found['mirror']} is not one of them, for one reason: {found['reason']}: " in sentence


@pytest.mark.parametrize("target", [EXPLAIN, f"{LIST}&explain=1&ip={NOWHERE}"])
def test_reasons_are_folded_and_counted(ask_quickly: Ask, target: str) -> None:
    """Each mirror that is left out is below its reason, and each reason says how many there are."""
    excluded = json.loads(ask_quickly(target, headers=AS_JSON).body)["excluded"]
    text = page(ask_quickly, target)
    folded = re.findall(
        FOLDED,
        text,
        re.DOTALL,
    )
    assert {reason: int(count) for reason, count, _ in folded} == Counter(one["reason"] for one in excluded)
    for reason, _, inside in folded:
        names = re.findall(r'href="/mirrors/([^"]*)"', inside)
        assert sorted(names) == sorted(one["mirror"] for one in excluded if one["reason"] == reason)


def test_where_its_mirrors_are(ask_quickly: Ask) -> None:
    """A map shows the client and its list; the vault alone has none."""
    assert '<svg class="map' in page(ask_quickly, EXPLAIN)
    assert "<svg" not in page(ask_quickly, f"/explain?release=9.7&repo=baseos&ip={FRANKFURT}")
