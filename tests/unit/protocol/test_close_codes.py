"""Each close code has a meaning, and only two of them say stop."""

from shared.protocol.close_codes import MEANING, CloseCode, comes_back


def test_every_code_has_a_meaning():
    assert set(MEANING) == set(CloseCode)


def test_only_a_bad_credential_or_a_missing_right_stop_a_client():
    assert {code for code in CloseCode if not comes_back(code)} == {4001, 4003}
    assert comes_back(1006)
