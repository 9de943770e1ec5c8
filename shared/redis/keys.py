"""Every key and channel in Redis: spelled here and in lua/, nowhere else (a test looks).

| key | type | what | life |
|---|---|---|---|
| journal | HASH id -> entry | what was accepted and is not yet in the database | until the commit |
| journal:due | ZSET `c:id`, `n:id`, `b:id` by ms | when the reconciler looks at it next | as the entry |
| journal:waiting:{c, n or b} | ZSET id by ms of acceptance | what no job has taken yet | until taken |
| journal:tries | HASH id -> n | how often it was enqueued again | as the entry |
| journal:failures | HASH id -> n | how often storing it failed | as the entry |
| journal:dead | HASH id -> reason, line break, entry | what could not even be stored as failed | until retried |
| journal:cancelled | HASH `i id`, `k app key` -> words | what is cancelled before it is stored | until that is stored |
| journal:cancelled:bytes | STRING int | sum of the words' lengths | as the words |
| journal:bytes | STRING int | sum of the entries' lengths | for ever |
| idempotency:{digest} | STRING | fingerprint and answer of a request with Idempotency-Key | 24 h |
| idempotency:{notification} | STRING | nothing: the run of a schedule was written to the journal | 1 h |
| app:{app} | HASH epoch, top, run | the stream of everyone | for ever |
| tail:all:{app} | ZSET by seq | newest frames of everyone | 15 min after the last |
| stream:{app}:{user} | HASH | record of a user's stream, and who holds the user | 15 min, renewed while online |
| tail:me:{app}:{user} | ZSET by seq | newest frames of one user | 15 min after the last |
| lease:{node} | STRING | the node is alive | 15 s, renewed each 5 s |
| nodes | SET | nodes that took a lease | until dropped or found dead |
| online:{node} | HASH `app user` -> connections | who is on the node | until they leave, or its death was swept |
| present:nodes | SET | nodes that may have users online | until their death was swept |
| present:leaving | ZSET `app user` by ms | who is gone, and when that is told | the grace, or until back |
| present:seen | HASH `app user` -> ms | when who left was last here | until the commit |
| watch:{app}:{user} | SET | nodes that want to know whether the user is online | 2 min, renewed each 30 s |
| connections:log | HASH connection -> JSON | connections that opened or closed | until the commit |
| acks | HASH `app user` -> `me all` | acks not yet in the database | until the commit |
| receipts:nudge | STRING | a `receipts` job is on its way | 200 ms |
| tally:{id} | STRING JSON | deliveries of a big notification by state, counted a moment ago | 1 h |
| tally:{id}:counting | STRING | somebody is counting them | 10 s |
| reply:{id} | STRING JSON | which connection waits until all pages of it are published | 60 s |
| limit:{name}:{policy}:{subject} | STRING us | when all that was taken is free again (the tat of GCRA) | until then |
| ticket:{digest} | STRING JSON | whom a one-time ticket lets in; the digest is its secret's | 30 s, or its use |
| refresh:{digest} | STRING, encrypted | the successor of a refresh token just used, for its own client | 10 s |
| revoked:session:{app}:{id} | STRING | nothing: this session was ended | as the longest token |
| revoked:user:{app}:{user} | STRING ms | the user's tokens that were issued before are dead | as the longest token |
| revoked:decided:{app}:{user} | STRING ms | number of the last decision about the user | as the longest token |
| revoked:run:{app} | STRING | the run of Redis that knows all that stands against users | for ever |
| disabled:{app} | SET of user names | who may not come in; the database has it too | until enabled |
| readiness | STRING | nothing: written to see whether Redis takes writes | 60 s |
| node:{node} | channel | envelopes for one node | |
"""

JOURNAL = "journal"
JOURNAL_DUE = "journal:due"
JOURNAL_WAITING = ("journal:waiting:c", "journal:waiting:n", "journal:waiting:b")
JOURNAL_TRIES = "journal:tries"
JOURNAL_FAILURES = "journal:failures"
JOURNAL_DEAD = "journal:dead"
JOURNAL_BYTES = "journal:bytes"
JOURNAL_CANCELLED = "journal:cancelled"
JOURNAL_CANCELLED_BYTES = "journal:cancelled:bytes"
NODES = "nodes"
PRESENT_NODES = "present:nodes"
PRESENT_LEAVING = "present:leaving"
PRESENT_SEEN = "present:seen"
CONNECTIONS_LOG = "connections:log"
ACKS = "acks"
RECEIPTS_NUDGE = "receipts:nudge"
READINESS = "readiness"
ANY_APP = "app:*"
ANY_STREAM = "stream:*"
ANY_TAIL = "tail:*"


def idempotency(digest: str) -> str:
    """STRING; the digest covers app, route and the caller's key."""
    return f"idempotency:{digest}"


def app(app: str) -> str:
    """HASH epoch, top of the stream of everyone."""
    return f"app:{app}"


def stream(app: str, user: str) -> str:
    """HASH; exists while the user is warm: online, or seen within its life."""
    return f"stream:{app}:{user}"


def tail_me(app: str, user: str) -> str:
    """ZSET of a user's newest frames, score = seq."""
    return f"tail:me:{app}:{user}"


def tail_all(app: str) -> str:
    """ZSET of everyone's newest frames, score = seq."""
    return f"tail:all:{app}"


def limit(name: str, policy: str, subject: str) -> str:
    """STRING; what a limit has given to a subject, under this policy."""
    return f"limit:{name}:{policy}:{subject}"


def lease(node: str) -> str:
    """STRING; while it exists the node's presence counts."""
    return f"lease:{node}"


def online(node: str) -> str:
    """HASH; whoever is on the node, with the number of connections."""
    return f"online:{node}"


def watch(app: str, user: str) -> str:
    """SET of the nodes that watch a user."""
    return f"watch:{app}:{user}"


def tally(id: str) -> str:
    """STRING; the deliveries of a notification by state."""
    return f"tally:{id}"


def counting(id: str) -> str:
    """STRING; while it exists somebody counts them."""
    return f"tally:{id}:counting"


def reply(id: str) -> str:
    """STRING; who waits for a notification to be published."""
    return f"reply:{id}"


def ticket(digest: str) -> str:
    """STRING; a ticket by the SHA-256 of its secret."""
    return f"ticket:{digest}"


def refresh(digest: str) -> str:
    """STRING; the successor of a refresh token, by the SHA-256 of the used one."""
    return f"refresh:{digest}"


def revoked_session(app: str, session: str) -> str:
    """STRING; while it exists no token of this session is good."""
    return f"revoked:session:{app}:{session}"


def revoked_user(app: str, user: str) -> str:
    """STRING; epoch milliseconds before which no token of the user may have been issued."""
    return f"revoked:user:{app}:{user}"


def revoked_decided(app: str, user: str) -> str:
    """STRING; the number of the last decision about a user."""
    return f"revoked:decided:{app}:{user}"


def revoked_run(app: str) -> str:
    """STRING; the run of Redis in which everything that stands against users of the app was put here."""
    return f"revoked:run:{app}"


def disabled(app: str) -> str:
    """SET of the names of disabled users."""
    return f"disabled:{app}"


def channel(node: str) -> str:
    """The one pub/sub channel of a node."""
    return f"node:{node}"
