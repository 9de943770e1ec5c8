"""What a schedule sends, kept as a journal entry of which only the time and the id are missing.

The api checks and makes it once, when the schedule is saved; a worker fills it in for each run, without knowing how.
"""

from dataclasses import replace

from shared.protocol.journal import Entry


def template(entry: Entry) -> str:
    """The entry as text; its id and times do not matter."""
    return entry.encode().decode()


def without(template: str, name: str) -> str:
    """The same entry for, and but for, nobody of this name. Raises as `fired`."""
    entry = Entry.decode(template.encode())
    users, exclude = (tuple(one for one in names if one != name) for names in (entry.users, entry.exclude))
    return replace(entry, users=users, exclude=exclude).encode().decode()


def fired(template: str, *, schedule: str, id: str, at: int) -> Entry:
    """The journal entry of a run: the same for the same arguments. `at`: when it came about, epoch milliseconds.

    Its life begins then. Raises UnknownEntryVersion, or ValueError/KeyError/TypeError for what no api of ours wrote.
    """
    entry = Entry.decode(template.encode())
    return replace(
        entry,
        id=id,
        accepted_at=at,
        expires_at=at + entry.ttl * 1000,
        sender=sender(schedule),
        request_id=f"run-{id}",
    )


def sender(schedule: str) -> str:
    """Whom a notification names that a schedule has sent."""
    return f"schedule:{schedule}"
