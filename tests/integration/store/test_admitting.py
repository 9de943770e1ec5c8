"""store.accounts.admit: a user without an account is let in, known or not, and who is disabled is not."""

from shared.db import Database
from shared.store import accounts, apps
from tests.integration.store.support import NOW


def test_known_or_not_a_user_is_one_user_and_a_disabled_one_stays_out(db: Database):
    def admit(user: str) -> int | None:
        return db.run(
            lambda session: accounts.admit(session, apps.require(session, "main").id, user, now_ms=NOW)
        )

    first = admit("ana")
    assert first is not None
    assert admit("ana") == first
    assert admit("bob") not in (None, first)

    db.run(lambda session: accounts.disable(session, apps.require(session, "main").id, "ana", now_ms=NOW))
    assert admit("ana") is None
    db.run(lambda session: accounts.enable(session, apps.require(session, "main").id, "ana", now_ms=NOW))
    assert admit("ana") == first
