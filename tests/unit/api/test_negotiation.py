"""What Accept and Accept-Encoding ask for, as RFC 9110 reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.negotiation import takes_gzip, takes_json


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("", True),
        ("*/*", True),
        ("application/json", True),
        ("Application/JSON;q=0.1", True),
        ("application/*", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html, application/json; q=0.5", True),
        ("application/json;version=1", True),
        ("text/html", False),
        ("text/*", False),
        ("application/xml", False),
        ("application/json;q=0", False),
        ("application/json;q=0.0, */*", False),
        ("application/*;q=0, */*", False),
        ("*/*;q=0", False),
        ("*/*;q=0, application/json", True),
        ("application/json; q = 0", False),
        ("application/json;q=nonsense", True),
    ],
)
def test_json_is_sent_to_whom_it_is_acceptable(accept, takes):
    assert takes_json(accept) is takes


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=0.5, identity", False),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("identity;q=0, *", True),
    ],
)
def test_gzip_is_sent_to_who_takes_it_and_does_not_want_it_less(accept, takes):
    assert takes_gzip(accept) is takes


@given(st.text(max_size=60))
def test_no_text_is_too_odd(text):
    assert takes_json(text) in (True, False)
    assert takes_gzip(text) in (True, False)
