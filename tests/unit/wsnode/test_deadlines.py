"""First in, first due."""

from wsnode.deadlines import Deadlines


def test_things_fall_due_in_order_after_their_time():
    waiting: Deadlines[str] = Deadlines(2.0)
    waiting.add("a", 10.0)
    waiting.add("b", 11.0)

    assert waiting.take(11.9) == []
    assert waiting.take(12.0) == ["a"]
    assert waiting.take(20.0) == ["b"]
    assert len(waiting) == 0
