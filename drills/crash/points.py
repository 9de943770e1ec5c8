"""The named places at which a process dies, and the story in which it comes there."""

from dataclasses import dataclass

from drills.crash.arming import AFTER, BEFORE, INSIDE, place


@dataclass(frozen=True, slots=True)
class Point:
    """One crash point. `story` names a method of drills.crash.stories.Stories."""

    name: str
    story: str
    step: str
    method: str
    moment: str
    call: int = 1

    @property
    def place(self) -> str:
        """Where the process dies."""
        return place(self.step, self.method, self.moment, self.call)


_RUN, _PUBLISH, _ENQUEUE, _TO_NODE = "Database.run", "Publisher.publish", "JobQueue.enqueue", "Bus.to_node"

POINTS = (
    Point("before_journal", "post", "accept", "Journal.accept", BEFORE),
    Point("after_journal_before_answer", "post", "accept", "Journal.accept", AFTER),
    Point("before_enqueue", "post", "accept", _ENQUEUE, BEFORE),
    Point("after_enqueue", "post", "accept", _ENQUEUE, AFTER),
    Point("before_take", "post", "deliver", "Journal.take", BEFORE),
    Point("after_take_before_store", "post", "deliver", _RUN, BEFORE),
    Point("stored_before_commit", "post", "deliver", _RUN, INSIDE),
    Point("after_commit_before_publish", "post", "deliver", _RUN, AFTER),
    Point("after_publish_before_clear", "post", "deliver", _PUBLISH, AFTER),
    Point("after_clear_before_mark", "post", "deliver", "Journal.finish", AFTER),
    Point("marked_before_commit", "post", "deliver", _RUN, INSIDE, 2),
    Point("after_mark", "post", "deliver", _RUN, AFTER, 2),
    Point("before_first_page_enqueued", "pages", "deliver", _ENQUEUE, BEFORE),
    Point("after_first_page_enqueued", "pages", "deliver", _ENQUEUE, AFTER),
    Point("page_before_store", "pages", "page", _RUN, BEFORE),
    Point("page_stored_before_commit", "pages", "page", _RUN, INSIDE),
    Point("page_after_commit_before_publish", "pages", "page", _RUN, AFTER),
    Point("page_after_publish_before_mark", "pages", "page", _PUBLISH, AFTER),
    Point("page_before_store_of_the_next", "pages", "page", _RUN, BEFORE, 2),
    Point("page_before_mark_of_all", "pages", "page", _RUN, BEFORE, 4),
    Point("page_after_mark", "pages", "page", _RUN, AFTER, 4),
    Point("publish_again_before_publish", "unpublished", "publish", _PUBLISH, BEFORE),
    Point("publish_again_after_publish", "unpublished", "publish", _PUBLISH, AFTER),
    Point("publish_again_after_mark", "unpublished", "publish", _RUN, AFTER),
    Point("due_before_claim", "later", "due", _RUN, BEFORE),
    Point("due_after_claim_before_enqueue", "later", "due", _RUN, AFTER),
    Point("due_after_enqueue", "later", "due", _ENQUEUE, AFTER),
    Point("send_before_store", "later", "send", _RUN, BEFORE),
    Point("send_stored_before_commit", "later", "send", _RUN, INSIDE),
    Point("send_after_commit_before_publish", "later", "send", _RUN, AFTER),
    Point("send_after_publish_before_mark", "later", "send", _PUBLISH, AFTER),
    Point("release_before_store", "held", "release", _RUN, BEFORE),
    Point("release_stored_before_commit", "held", "release", _RUN, INSIDE),
    Point("release_after_commit_before_publish", "held", "release", _RUN, AFTER),
    Point("release_after_publish_before_mark", "held", "release", _PUBLISH, AFTER),
    Point("release_after_mark", "held", "release", _RUN, AFTER, 2),
    Point("receipts_after_take", "post", "receipts", "Acks.take", AFTER),
    Point("receipts_before_commit", "post", "receipts", _RUN, INSIDE),
    Point("receipts_after_commit_before_done", "post", "receipts", _RUN, AFTER),
    Point("receipts_after_done", "post", "receipts", "Acks.done", AFTER),
    Point("replay_before_first_part", "absence", "replay", _TO_NODE, BEFORE),
    Point("replay_after_last_part", "absence", "replay", _TO_NODE, AFTER),
    Point("sync_before_put", "absence", "sync", "Streams.put_many", BEFORE),
    Point("sync_after_put_before_told", "absence", "sync", _TO_NODE, BEFORE),
    Point("reconcile_after_claim_of_entries", "forgotten", "reconcile", "Journal.due", AFTER),
    Point("reconcile_after_enqueue_of_entries", "forgotten", "reconcile", _ENQUEUE, AFTER),
    Point("reconcile_before_claim_of_rows", "unpublished", "reconcile", _RUN, BEFORE),
    Point("reconcile_after_claim_of_rows", "unpublished", "reconcile", _RUN, AFTER),
    Point("reconcile_after_enqueue_of_rows", "unpublished", "reconcile", _ENQUEUE, AFTER),
)

FORGOTTEN = place("accept", _ENQUEUE, BEFORE, 1)
"""Dying here leaves entries for which there is no job."""

UNPUBLISHED = place("deliver", "Journal.finish", AFTER, 1)
"""Dying here leaves rows that no job knows and that are not marked as published."""
