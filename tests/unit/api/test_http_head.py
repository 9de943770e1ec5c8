"""api.http_head: one reading of a request's head, and a refusal of everything with two."""

import pytest

from api.http_head import BadHead, Head, read_head


def head(request_line: bytes = b"POST /v1/x?a=1 HTTP/1.1\r\n", *lines: bytes, host: bool = True) -> Head:
    given = [b"Host: h\r\n"] if host else []
    return read_head(request_line, [*given, *lines])


def test_a_head_becomes_the_keys_of_a_wsgi_environment():
    found = head(
        b"POST /v1/x?a=1 HTTP/1.1\r\n",
        b"Content-Type: application/json\r\n",
        b"content-length:  12 \r\n",
        b"X-Request-Id:\tabc\t\r\n",
        b"Accept: a\r\n",
        b"accept: b\r\n",
        b"Empty:\r\n",
    )

    assert (found.method, found.target, found.protocol) == ("POST", "/v1/x?a=1", "HTTP/1.1")
    assert found.fields == {
        "HTTP_HOST": "h",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "12",
        "HTTP_X_REQUEST_ID": "abc",
        "HTTP_ACCEPT": "a,b",
        "HTTP_EMPTY": "",
    }
    assert (found.content_length, found.chunked, found.keep_alive) == (12, False, True)


@pytest.mark.parametrize(
    ("target", "read"),
    [(b"/", "/"), (b"*", "*"), (b"http://h:80/a?b", "/a?b"), (b"HTTP://h", "/"), (b"http://h?x", "/?x")],
)
def test_the_target_is_a_path_also_when_a_proxy_sends_a_url(target, read):
    assert head(b"GET " + target + b" HTTP/1.1\r\n").target == read


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", None, True),
        (b"1.1", b"close", False),
        (b"1.1", b"Keep-Alive, Close", False),
        (b"1.0", None, False),
        (b"1.0", b"keep-alive", True),
    ],
)
def test_a_connection_is_kept_as_version_and_field_say(version, connection, kept):
    lines = [] if connection is None else [b"Connection: " + connection + b"\r\n"]

    assert head(b"GET / HTTP/" + version + b"\r\n", *lines).keep_alive is kept


def test_a_chunked_body_has_no_length():
    found = head(b"POST / HTTP/1.1\r\n", b"Transfer-Encoding: Chunked\r\n")

    assert (found.content_length, found.chunked) == (None, True)


@pytest.mark.parametrize(
    "line",
    [b"GET /\r\n", b"GET  / HTTP/1.1\r\n", b"GET / HTTP/1.1\n", b"GET / HTTP/2.0\r\n", b"GET / http/1.1\r\n",
     b"GET /a b HTTP/1.1\r\n", b"G\xc3T / HTTP/1.1\r\n", b"GET /\xff HTTP/1.1\r\n", b"GET x HTTP/1.1\r\n",
     b" GET / HTTP/1.1\r\n", b"GET / HTTP/1.1 \r\n", b"\x16\x03\x01\r\n", b"ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1\r\n"],
)  # fmt: skip
def test_a_request_line_of_another_shape_is_refused(line):
    with pytest.raises(BadHead):
        head(line)


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"],
        [b"Transfer-Encoding: gzip, chunked\r\n"],
        [b"Transfer-Encoding: identity\r\n"],
        [b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\n"],
        [b"Content-Length: 3\r\n", b"Content-Length: 3\r\n"],
        [b"Content-Length: -1\r\n"],
        [b"Content-Length: +3\r\n"],
        [b"Content-Length: 0x3\r\n"],
        [b"Content-Length: 3,3\r\n"],
        [b"Content-Length: \xb2\r\n"],
        [b"Content-Length: 1234567890123456789\r\n"],
        [b"Content-Length:\r\n"],
        [b"Host: other\r\n"],
        [b"Authorization: a\r\n", b"Authorization: b\r\n"],
        [b" folded\r\n"],
        [b"A: b\r\n", b"\tfolded\r\n"],
        [b"A : b\r\n"],
        [b"A\r\n"],
        [b": b\r\n"],
        [b"A: b\n"],
        [b"A: b\rc\r\n"],
        [b"A: b\x00c\r\n"],
        [b"A\xff: b\r\n"],
        [b"A: b\r\n"] * 101,
    ],
)
def test_fields_that_two_readers_could_read_differently_are_refused(lines):
    with pytest.raises(BadHead):
        head(b"POST / HTTP/1.1\r\n", *lines)


def test_chunked_belongs_to_the_newer_version():
    with pytest.raises(BadHead):
        head(b"POST / HTTP/1.0\r\n", b"Transfer-Encoding: chunked\r\n")


def test_the_newer_version_needs_a_host():
    with pytest.raises(BadHead):
        head(b"GET / HTTP/1.1\r\n", host=False)
    assert head(b"GET / HTTP/1.0\r\n", host=False).fields == {}


def test_a_field_with_an_underscore_cannot_pass_for_one_with_a_dash():
    found = head(b"GET / HTTP/1.1\r\n", b"X_Forwarded_For: 1\r\n", b"Content_Length: 5\r\n")

    assert found.fields == {"HTTP_HOST": "h"}
    assert found.content_length is None
