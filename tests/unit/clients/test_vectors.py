"""The Python machine does exactly what the vectors say."""

import pytest

from tests.unit.clients.vectors import Player, scenarios

SCENARIOS = scenarios()


@pytest.mark.parametrize("scenario", [s for _, s in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_python_client_follows_the_vector(scenario):
    player = Player(scenario)

    for number, step in enumerate(scenario["steps"]):
        out = player.play(step)

        at = f"step {number}: {step['do']}"
        assert out == step["out"], at
        if "since" in step:
            assert player.protocol.position.since() == step["since"], at
        if "next_at" in step:
            assert player.protocol.next_at() == step["next_at"], at


def test_scenarios_have_names_of_their_own():
    names = [name for name, _ in SCENARIOS]

    assert len(set(names)) == len(names) > 80
