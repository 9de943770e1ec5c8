"""Which pages share a job."""

from hypothesis import given
from hypothesis import strategies as st

from shared.store.rows import PageRef
from workers.settling import PAGES_AT_ONCE, page_jobs


def refs(*numbers: int, id: str = "n", priority: str = "normal") -> list[PageRef]:
    return [PageRef(id, number, priority) for number in numbers]


def test_neighbours_share_one_and_a_hole_ends_it():
    jobs = list(page_jobs([*refs(0, 1, 3), *refs(4, id="m", priority="bulk")], rescue=True))

    found = [(job.id, job.number, job.pages, job.priority, job.rescue) for job in jobs]
    assert found == [("n", 0, 2, "normal", True), ("n", 3, 1, "normal", True), ("m", 4, 1, "bulk", True)]


def test_no_pages_are_no_job():
    assert list(page_jobs([], rescue=False)) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), unique=True))
def test_every_page_is_in_one_job(pages):
    wanted = [PageRef(id, number, "normal") for id, number in pages]

    jobs = list(page_jobs(wanted, rescue=False))

    assert [PageRef(job.id, job.number + i, job.priority) for job in jobs for i in range(job.pages)] == wanted
    assert all(1 <= job.pages <= PAGES_AT_ONCE for job in jobs)
