"""What a node does all the time goes on after a fault: by wsnode.loops, which waits and logs."""

import ast

from tests.architecture.sources import sources

MAY_SPAWN = {
    "wsnode/loops.py": "the loops themselves",
    "wsnode/positions.py": "one look at an app",
    "wsnode/vetting.py": "one credential",
    "wsnode/worker.py": "the drain",
}
MAY_LOOP = {
    "wsnode/loops.py": "the loops themselves",
    "wsnode/subscriber.py": "one connection, while it lives",
}


def test_nothing_in_a_node_runs_for_ever_but_by_the_one_way():
    spawning = {source.name for source in sources("wsnode") if "gevent.spawn(" in source.text}
    assert spawning == set(MAY_SPAWN)
    looping = {
        source.name
        for source in sources("wsnode")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant)
    }
    assert looping == set(MAY_LOOP)
