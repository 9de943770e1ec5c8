"""How the machine is run: so many examples, the same ones each time unless somebody asks for others."""

import os
from collections.abc import Collection

from hypothesis import HealthCheck, Phase, settings
from hypothesis import stateful as hypothesis_stateful
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine

EXAMPLES = "MODEL_EXAMPLES"
"""Environment: how many examples, drawn anew for each run (or by --hypothesis-seed) instead of 200 fixed ones."""

STEPS = 50
TIMEOUT = 0 if os.environ.get(EXAMPLES) else 300
"""Seconds that one test may take on a busy machine; who asks for thousands of examples waits for them."""


def run(machine: type[Machine], *, examples: int, shrink: bool = True) -> None:
    """Run it; raises what it finds."""
    chosen = int(os.environ.get(EXAMPLES, "0"))
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    # Much of what is drawn comes to nothing in a given world, and a run in which all is lost takes its time.
    own = settings(
        max_examples=chosen or examples,
        derandomize=not chosen,
        stateful_step_count=STEPS,
        phases=phases,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        database=None,
    )
    run_state_machine_as_test(machine, settings=own)


def only(rules: Collection[str]) -> type[Machine]:
    """The machine with these rules and no others; all of them if none is named."""
    known = {
        name for name, member in vars(Machine).items() if hasattr(member, hypothesis_stateful.RULE_MARKER)
    }
    assert known >= set(rules), f"there are no rules {set(rules) - known}"
    return type("Machine", (Machine,), dict.fromkeys(known - set(rules))) if rules else Machine
