"""Base URLs are brought into one form, or refused with a reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sources.base_url import parse_base_url, rsync_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://mirror.example.org/alma/", "https://mirror.example.org/alma/"),
        ("https://mirror.example.org/alma", "https://mirror.example.org/alma/"),
        ("https://mirror.example.org", "https://mirror.example.org/"),
        ("HTTP://Mirror.Example.ORG/Alma/", "http://mirror.example.org/Alma/"),
        ("http://mirror.example.org:3142/alma", "http://mirror.example.org:3142/alma/"),
        ("http://mirror.example.org:80/alma", "http://mirror.example.org/alma/"),
        ("https://mirror.example.org:80/alma", "https://mirror.example.org:80/alma/"),
        ("https://mirror.example.org//pub///alma//", "https://mirror.example.org/pub/alma/"),
        ("https://mirror.example.org/~al+ma/a%20b/", "https://mirror.example.org/~al+ma/a%20b/"),
        ("http://192.0.2.1/alma", "http://192.0.2.1/alma/"),
        ("http://[2001:DB8::1]:8080/alma", "http://[2001:db8::1]:8080/alma/"),
        ("rsync://mirror.example.org/alma", "rsync://mirror.example.org/alma/"),
        ("http://mirror/alma", "http://mirror/alma/"),
    ],
)
def test_good_urls_take_one_form(text: str, url: str) -> None:
    """The slash at the end is there, nothing is doubled, and equal URLs compare equal."""
    base = parse_base_url(text)
    assert base.url == url
    assert url.startswith(base.protocol + "://")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mirror.example.org/alma", "must begin with"),
        ("ftp://mirror.example.org/alma", "must begin with"),
        ("https:/mirror.example.org/alma", "must begin with"),
        ("https:///alma", "not a host name"),
        ("https://user:secret@mirror.example.org/", "user name or password"),
        ("https://user@mirror.example.org/", "user name or password"),
        ("https://mirror.example.org/?a=b", "query"),
        ("https://mirror.example.org/?", "query"),
        ("https://mirror.example.org/#a", "query"),
        ("https://mirror.example.org/a b", "blanks"),
        ("https://mirror.example.org/a\nb", "control characters"),
        ("https://mirror.example.org/a\r", "control characters"),
        ("https://mirror.example.org/a\x7f", "control characters"),
        ("https://mirror.example.org/almá", "non-ASCII"),
        ("https://spiegel-ü.example.org/", "non-ASCII"),
        ("https://mirror.example.org/$basearch/", "percent-encoded"),
        ("https://mirror.example.org/a%2/", "percent-encoded"),
        ("https://mirror.example.org/a\\b/", "percent-encoded"),
        ('https://mirror.example.org/"><script>/', "percent-encoded"),
        ("https://mirror.example.org/../a/", '".."'),
        ("https://mirror.example.org/./a/", '"."'),
        ("https://mirror_1.example.org/", "not a host name"),
        ("https://-mirror.example.org/", "not a host name"),
        ("https://mirror..example.org/", "not a host name"),
        ("https://" + "a" * 64 + ".example.org/", "not a host name"),
        ("https://192.0.2.256/", "not an IPv4 address"),
        ("https://2130706433/", "not an IPv4 address"),
        ("https://0x7f.1/", "not an IPv4 address"),
        ("https://[192.0.2.1]/", "not"),
        ("https://[2001:db8::1/", "not a URL"),
        ("https://mirror.example.org:0/", "port"),
        ("https://mirror.example.org:99999/", "not a URL"),
        ("https://mirror.example.org:a/", "not a URL"),
        ("https://mirror.example.org/" + "a" * 1000, "longer"),
        ("", "must begin with"),
    ],
)
def test_bad_urls_are_refused_with_the_reason(text: str, reason: str) -> None:
    """Nothing that dnf would expand, split or misread, and nobody's password, gets into a list."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_base_url(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("mirror.example.org::alma", "rsync://mirror.example.org/alma"),
        ("mirror.example.org::alma/sub/", "rsync://mirror.example.org/alma/sub/"),
        ("rsync://mirror.example.org::alma", "rsync://mirror.example.org/alma"),
        ("rsync@mirror.example.org::alma", "rsync://mirror.example.org/alma"),
        ("rsync@mirror.example.org:/alma", "rsync://mirror.example.org/alma"),
        ("rsync://rsync@mirror.example.org:/alma", "rsync://mirror.example.org/alma"),
        ("rsync://rsync@mirror.example.org/alma", "rsync://mirror.example.org/alma"),
        ("rsync://mirror.example.org/alma", "rsync://mirror.example.org/alma"),
        ("rsync://mirror.example.org:8730/alma", "rsync://mirror.example.org:8730/alma"),
        ("rsync://[2001:db8::1]/alma", "rsync://[2001:db8::1]/alma"),
        ("rsync://someone@mirror.example.org/alma", "rsync://someone@mirror.example.org/alma"),
        ("https://mirror.example.org::alma", "https://mirror.example.org::alma"),
        ("mirror.example.org/alma", "mirror.example.org/alma"),
    ],
)
def test_forms_of_the_rsync_program_become_urls(text: str, url: str) -> None:
    """`host::module` and `rsync@host:/module` mean a URL; everything else is left alone."""
    assert rsync_url(text) == url


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["https://mirror.example.org", "http://192.0.2.1", "rsync://[2001:db8::1]:1"]),
    st.text("abc/%20.~:@$?#\\ \r\n\tü<&'", max_size=20),
)
def test_what_is_accepted_is_safe_and_stable(start: str, rest: str) -> None:
    """An accepted URL ends in a slash, has no empty directory, is one word, and stays as it is."""
    try:
        base = parse_base_url(f"{start}/{rest}")
    except ValueError:
        return
    assert base.url.endswith("/")
    assert "//" not in base.url.split("://", 1)[1]
    assert base.url.split() == [base.url]
    assert "$" not in base.url
    assert parse_base_url(base.url) == base
