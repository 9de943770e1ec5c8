"""D35: a process dies at each step of the way from a POST to a receipt; what was accepted is whole in the end."""

from drills.crash.books import Books
from drills.crash.points import POINTS
from drills.crash.stories import FOLLOWING, Stories
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame
from launcher.waiting import wait_for


def steps(frame: Frame) -> Result:
    """Die once at each point, round after round; then look at screens, rows and what is left over."""
    of: dict[int, str] = {}
    died: list[str] = []
    missed: list[str] = []
    with frame.redis.client() as client:
        books = Books(frame.database_url, client)
        stories = Stories(frame, books, client)
        for _ in range(frame["rounds"]):
            for point in POINTS:
                if point.story in ("forgotten", "unpublished") and not frame["reconcile"]:
                    continue
                lines, sprung = stories.tell(point)
                of.update({line.number: point.name for line in lines})
                (died if sprung else missed).append(point.name)
            _settle(frame, books, stories)
        frame.settle(5.0)
        faults = books.faults(frame.ledger.accepted(), following=FOLLOWING)
        left = books.left()
        stories.close()
        books.close()
    wrong = {f"{of[number]}: {what}" for number, what in faults.items()}
    return frame.result(
        ("somebody died at every point", not missed),
        ("everything accepted is stored once, published and acknowledged", not wrong),
        ("what was answered with 202 is found at once", not stories.not_found),
        ("nothing is left over", not any(left.values())),
        points=len(set(died)),
        crashes=len(died),
        not_reached=sorted(set(missed)),
        wrong=sorted(wrong),
        left=left,
    )


def _settle(frame: Frame, books: Books, stories: Stories) -> None:
    """Until all is done and shown, as far as it will be, and those jobs ran again whose worker died."""

    def done() -> bool:
        if not any(books.left().values()) and not frame.missing():
            faults = books.faults(frame.ledger.accepted(), following=FOLLOWING)
            return not faults and books.jobs() == 0
        stories.reconcile()
        return False

    wait_for(done, seconds=frame["settle_s"], interval=1.0)


DRILLS = (
    Drill(
        name="D35",
        title="a crash at each step",
        run=steps,
        # Several children, because it takes seconds until a dead one is replaced.
        setup=Setup(
            lines="crash_points.procfile",
            env={"BELLHOP_PAGE_SIZE": "5", "BELLHOP_WORKER_CONCURRENCY": "6"},
        ),
        default={"rounds": 20, "settle_s": 60.0, "reconcile": True},
        quick={"rounds": 1},
        controls=(
            Control(
                name="no reconciler",
                removes="the reconciler",
                breaks="nothing lost",
                lines="no_reconciler.procfile",
                parameters={"rounds": 1, "settle_s": 20.0, "reconcile": False},
            ),
        ),
    ),
)
