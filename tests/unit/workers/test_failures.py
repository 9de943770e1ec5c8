"""Whose fault an error is."""

import sqlite3

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db import RunAgain
from shared.queue import QueueUnavailable
from shared.redis.client import RedisUnavailable
from workers.failures import TEXT_MAX, describe, is_away, judge, timed_out
from workers.isolation import Fault


class DriverError(Exception):
    """What a driver raises, with the attributes that some have."""

    def __init__(self, *args: object, sqlstate: str | None = None, sqlite_errorname: str = "") -> None:
        super().__init__(*args)
        self.sqlstate, self.sqlite_errorname = sqlstate, sqlite_errorname


def of(kind, orig=None, statement="INSERT", invalidated=False):
    return kind(statement, {}, orig or DriverError("x"), connection_invalidated=invalidated)


AWAY = [
    RedisUnavailable(),
    QueueUnavailable(),
    PoolTimeout(),
    of(OperationalError, invalidated=True),
    of(OperationalError, statement=None),
    of(InterfaceError),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_what_does_not_answer_stops_the_job_and_blames_nobody(error):
    assert is_away(error)
    assert judge(error, database_answers=True) is Fault.STOP


@pytest.mark.parametrize(
    "orig",
    [
        DriverError("lock timeout", sqlstate="55P03"),
        DriverError("deadlock", sqlstate="40P01"),
        DriverError(1205, "Lock wait timeout exceeded"),
        DriverError("database is locked", sqlite_errorname="SQLITE_BUSY"),
    ],
)
def test_waiting_too_long_for_others_blames_nobody(orig):
    assert judge(of(OperationalError, orig), database_answers=True) is Fault.STOP


@pytest.mark.parametrize("error", [of(DataError), of(IntegrityError), ValueError("x"), LookupError("ghost")])
def test_values_that_nobody_can_store_are_the_members_fault(error):
    assert judge(error, database_answers=True) is Fault.MEMBER


@pytest.mark.parametrize("error", [of(OperationalError), of(ProgrammingError)])
def test_other_refusals_are_doubtful_while_the_database_answers(error):
    assert judge(error, database_answers=True) is Fault.UNSURE
    assert judge(error, database_answers=False) is Fault.STOP


def test_a_transaction_that_gave_way_too_often_blames_nobody():
    assert judge(RunAgain("user_race"), database_answers=True) is Fault.STOP


def test_the_time_limit_is_found_behind_the_error_that_it_caused():
    try:
        try:
            raise SoftTimeLimitExceeded
        except SoftTimeLimitExceeded:
            raise of(OperationalError) from sqlite3.OperationalError("rollback failed")
    except OperationalError as error:
        hidden = error
    # As it really comes: raised while the first was being handled, and with the driver's error as its cause.
    hidden.__cause__.__context__ = SoftTimeLimitExceeded()

    assert timed_out(hidden)
    assert judge(hidden, database_answers=True) is Fault.STOP
    assert not timed_out(of(OperationalError))


def test_a_description_is_one_short_line_without_statement_and_values():
    error = of(
        DataError, DriverError("invalid input\nDETAIL: secret", sqlstate="22P02"), statement="INSERT secret"
    )

    assert describe(error) == "DriverError: invalid input"
    assert len(describe(ValueError("x" * 9999))) == TEXT_MAX


def test_a_description_can_always_be_stored():
    assert describe(ValueError("no \x00 and no \ud800, says Ana")) == "ValueError: no  and no , says Ana"
