"""Where a list by id goes on: from the text of `?cursor=` to the id that the page before ended with.

Rule P. What a cursor is made of is shared.domain.paging's.
"""

from api.validation import invalid
from shared.domain import paging
from shared.ids import is_uuid7


def before_id(kind: str, cursor: str | None) -> str | None:
    """The id before which a page of list `kind` begins; None at its start. Raises InvalidRequest."""
    if cursor is None:
        return None
    try:
        (before,) = paging.decode(kind, cursor, (str,))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    if not is_uuid7(before):
        raise invalid("cursor", "Not a cursor of this list.")
    return str(before)
