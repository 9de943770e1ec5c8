"""D34: nobody loses a notification, sees one twice, or sees them out of order, whatever happens between.

200 runs here, the same ones each time; 10,000 others through `python -m drills D34`, which sets MODEL_EXAMPLES.
"""

import pytest

from tests.model.machine import Machine
from tests.model.running import TIMEOUT, run

pytestmark = pytest.mark.timeout(TIMEOUT)


def test_nothing_is_lost_repeated_or_reordered():
    run(Machine, examples=200)
