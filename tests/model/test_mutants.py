"""The controls of D34: with one thing wrong in the real code, the machine must find it."""

import pytest

from tests.model.mutants import MUTANTS, mutated
from tests.model.running import TIMEOUT, only, run

pytestmark = pytest.mark.timeout(TIMEOUT)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_machine_finds(mutant):
    machine = only(mutant.rules)
    with mutated(mutant), pytest.raises(AssertionError):
        run(machine, examples=3000, shrink=False)
