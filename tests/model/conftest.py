"""Nothing is logged: a run writes thousands of lines."""

import pytest
import structlog

from tests.model.machine import quiet


@pytest.fixture(scope="package", autouse=True)
def silence():
    before = structlog.get_config()
    structlog.configure(processors=[quiet])
    yield
    structlog.configure(**before)
