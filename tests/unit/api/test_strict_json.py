"""api.strict_json: what is taken is what any JSON reader sees; what is refused is named by its place."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import strict_json
from api.json_faults import LEXEMES_MAX, FaultKind, find_fault
from shared.errors import InvalidRequest, MalformedBody

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


def refusal(body: bytes) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        strict_json.loads(body)
    (problem,) = caught.value.detail
    return problem["field"], problem["message"]


@given(VALUE, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")]))
def test_any_json_text_is_read_as_json_reads_it(value, ascii_only, separators):
    body = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()

    assert strict_json.loads(body) == json.loads(body)
    assert find_fault(body.decode(), max_depth=100) is None


@given(st.dictionaries(TEXT, VALUE, min_size=1, max_size=4), st.data())
def test_a_key_that_is_there_twice_is_always_found(value, data):
    again = data.draw(st.sampled_from(sorted(value)))
    pairs = [*value.items(), (again, 1)]
    body = "{" + ",".join(f"{json.dumps(key)} :{json.dumps(item)}" for key, item in pairs) + "}"

    assert refusal(body.encode())[1] == "This key is there twice."


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b'{"a":1,"a":1}', "a", "This key is there twice."),
        (b'{"\\u0061":1,"a":2}', "a", "This key is there twice."),
        (b'{"to":{"users":[{"x":1},{"y":1,"y":2}]}}', "to.users[1].y", "This key is there twice."),
        (b'{"data":{"price":NaN}}', "data.price", "NaN is not a JSON number."),
        (b'{"data":[0,-Infinity]}', "data[1]", "-Infinity is not a JSON number."),
        (b'{"ttl":1e999}', "ttl", "This number is too large."),
        (b'{"data":{"t":"\\ud800"}}', "data.t", "A text holds half of a surrogate pair."),
        (b'{"data":{"t":"\\udc00\\ud800"}}', "data.t", "A text holds half of a surrogate pair."),
        (b'{"data":{"t":"a\\u0000"}}', "data.t", "A text holds the character NUL."),
        (b'{"data":{"a\\u0000":1}}', "data", "A text holds the character NUL."),
        (b"[" * 33 + b"]" * 33, "[0]" * 32, "Nested deeper than 32 levels."),
        (b'{"a":' * 33 + b"1" + b"}" * 33, ".".join("a" * 32), "Nested deeper than 32 levels."),
        (b"[" * 1_000_000, "[0]" * 32, "Nested deeper than 32 levels."),
        (b"NaN", "body", "NaN is not a JSON number."),
    ],
)
def test_json_that_is_not_taken_is_named_by_its_place(body, field, message):
    assert refusal(body) == (field, message)


@pytest.mark.parametrize(
    "body",
    [b"", b"nope", b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b"[1,]", b"[1 2]", b"{1:2}", b'{"a":1}x', b"'a'", b"01",
     b"1.", b".5", b"+1", b"1e", b"tru", b'"\n"', b'"\\x"', b'"\\u12"', b'"', b"]", b'{"a":1]', b"[1}", b":", b",",
     b"\xff", b'{"a":"\xed\xa0\x80"}', b"\xef\xbb\xbf{}", b"\x00", b"// {}", b'{"a":1 /* */}'],
)  # fmt: skip
def test_what_is_not_json_at_all_is_malformed(body):
    with pytest.raises(MalformedBody):
        strict_json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\\\u0000"}',
        b'{"a":":\\":","b" : ": :"}',
        b'{":":1,"\\":":2,"a":":"}',
        b"[" * 32 + b"]" * 32,
        b' {"a" :\t[1 , {"b":\r\n"x:y"}]} ',
        '{"ключ":"🔔"}'.encode(),
        b'{"pair":"\\ud83d\\udd14"}',
    ],
)
def test_what_only_looks_suspicious_is_taken(body):
    assert strict_json.loads(body) == json.loads(body)


def test_the_limit_of_depth_can_be_wider_for_a_batch():
    body = b"[" * 34 + b"]" * 34

    assert strict_json.loads(body, max_depth=34)


def test_a_long_key_does_not_come_back_whole_in_the_answer():
    field, _ = refusal(b'{"' + b"k" * 100_000 + b'":NaN}')

    assert len(field) < 300


def test_a_fault_behind_very_many_values_is_found_without_being_placed():
    body = b"[" + b"[]," * (LEXEMES_MAX // 2) + b"NaN]"

    assert refusal(body) == ("body", "The fault is too far into the body to be named.")


def test_a_long_text_of_escapes_is_read_in_flat_memory():
    fault = find_fault('["' + "\\n" * 1_000_000 + '",NaN]', max_depth=32)

    assert fault is not None
    assert (fault.kind, fault.path) == (FaultKind.CONTENT, "[1]")


def test_the_fast_way_and_the_slow_way_agree_on_what_is_json():
    for body in (b"-0", b"1E+2", b'"\\/"', b"[]", b"{}", b"null", b" true\n"):
        assert orjson.loads(body) == strict_json.loads(body)
        assert find_fault(body.decode(), max_depth=32) is None
