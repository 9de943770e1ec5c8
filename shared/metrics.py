"""Every Prometheus metric of Bellhop, declared once, and the text that /metrics answers.

When PROMETHEUS_MULTIPROC_DIR is set (services of several processes: gunicorn workers, a Celery pool) the
client library keeps its values in files there and the answer is their sum; otherwise they stay in memory.
"""

from prometheus_client import REGISTRY as _OWN
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import ValueClass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

accept_to_frame_seconds = Histogram(
    "bellhop_accept_to_frame_seconds",
    "From the 202 to the frame written to a socket, first delivery only.",
    buckets=_LATENCY,
)
accept_to_stored_seconds = Histogram(
    "bellhop_accept_to_stored_seconds",
    "From the 202 to the commit, of the oldest of each group.",
    buckets=_LATENCY,
)
queue_age_seconds = Gauge(
    "bellhop_queue_age_seconds",
    "Age of the newest job taken from a queue.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
journal_depth = Gauge(
    "bellhop_journal_depth",
    "Accepted notifications that are not yet in the database.",
    multiprocess_mode="mostrecent",
)
journal_bytes = Gauge(
    "bellhop_journal_bytes", "Size of what is in the journal.", multiprocess_mode="mostrecent"
)
dead_letters_total = Counter(
    "bellhop_dead_letters",
    "Notifications, and pages of big audiences, given up after all attempts or found unreadable.",
)
connections = Gauge("bellhop_connections", "Open sockets of this node.", multiprocess_mode="livesum")
gap_repairs_total = Counter("bellhop_gap_repairs", "Gaps in a stream that a node filled.", ["source"])
rescued_total = Counter("bellhop_rescued", "Notifications that only the reconciler brought on their way.")
epoch_bumps_total = Counter(
    "bellhop_epoch_bumps", "Times Redis was found ahead of the database, which ends the epoch: look into it."
)
accepted_total = Counter("bellhop_accepted", "Notifications accepted.", ["priority"])
refused_total = Counter("bellhop_refused", "Requests that the intake turned away, by reason.", ["reason"])
limited_total = Counter("bellhop_limited", "Requests refused because of a limit, by its name.", ["limit"])
limits_unchecked_total = Counter(
    "bellhop_limits_unchecked", "Requests that passed uncounted because Redis did not answer."
)
quota_refused_total = Counter(
    "bellhop_quota_refused", "Notifications of batches that a quota refused while others passed."
)
enqueue_failed_total = Counter(
    "bellhop_enqueue_failed", "Accepted notifications whose job could not be sent; the reconciler sends it."
)
breaker_state = Gauge(
    "bellhop_breaker_state",
    "Whether something that we call is asked: 0 as ever (closed), 1 by one call on trial, 2 not at all (open).",
    ["name"],
    multiprocess_mode="livemax",
)
breaker_refused_total = Counter(
    "bellhop_breaker_refused", "Calls that were not made because the one to call did not answer.", ["name"]
)
http_requests_total = Counter("bellhop_http_requests", "Requests answered.", ["route", "method", "status"])
http_seconds = Histogram("bellhop_http_seconds", "Time to answer a request.", ["route"], buckets=_LATENCY)
jobs_total = Counter("bellhop_jobs", "Jobs run.", ["job", "outcome"])
job_seconds = Histogram("bellhop_job_seconds", "Time to run a job.", ["job"], buckets=_LATENCY)
frames_sent_total = Counter("bellhop_frames_sent", "Notification frames written to sockets.")
slow_disconnects_total = Counter("bellhop_slow_disconnects", "Connections closed because they did not read.")
node_desync_total = Counter(
    "bellhop_node_desync", "Times a node found itself deaf and registered all its users again."
)
due_total = Counter("bellhop_due", "Scheduled notifications handed out because their time had come.")
released_total = Counter("bellhop_released", "Held deliveries released because their time had come.")
purged_total = Counter("bellhop_purged", "Notifications deleted because their retention was over.")
published_total = Counter("bellhop_published", "Notifications published to nodes, by stream.", ["stream"])
presence_left_total = Counter("bellhop_presence_left", "Users said to have left, after their grace.")
visits_dropped_total = Counter(
    "bellhop_visits_dropped", "Openings and ends of connections that the log had no room for."
)
part_failures_total = Counter(
    "bellhop_part_failures",
    "Rounds of a part of a node that met a fault of ours and are tried again.",
    ["part"],
)
announcements_dropped_total = Counter(
    "bellhop_announcements_dropped",
    "Joins and leaves that were not told to all Socket.IO clients: too many a second.",
)
acks_total = Counter("bellhop_acks", "Acks taken from clients.")

# The library decides this at import, from the environment, and shows it nowhere else.
_SHARED_BY_FILES = bool(ValueClass._multiprocess)  # noqa: SLF001


def render() -> bytes:
    """Return the metrics of this service in the Prometheus text format."""
    if not _SHARED_BY_FILES:
        return generate_latest(_OWN)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library annotates only part of itself
    return generate_latest(registry)


def forget_process(pid: int) -> None:
    """Drop the live gauges of a pool process that ended. Called by gunicorn's and Celery's exit hooks."""
    if _SHARED_BY_FILES:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # as above
