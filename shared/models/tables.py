"""The tables behind the models, for statements that touch many rows.

The store speaks in tables and columns: on the hot path an object per row would cost more than the database.
"""

from sqlalchemy import Table

from shared.models.account import Account, RefreshToken, SignedIn
from shared.models.allowance import Allowance
from shared.models.api_key import ApiKey
from shared.models.app import App
from shared.models.base import metadata
from shared.models.connection_log import ConnectionLog
from shared.models.delivery import Delivery
from shared.models.notification import Notification, Page
from shared.models.revocation import Revocation
from shared.models.schedule import Schedule, ScheduleRun
from shared.models.segment import Segment
from shared.models.subscription import Subscription
from shared.models.user import Stream, User

MODELS = (
    App,
    User,
    Stream,
    Notification,
    Page,
    Delivery,
    ApiKey,
    Subscription,
    Allowance,
    Segment,
    Schedule,
    ScheduleRun,
    ConnectionLog,
    Account,
    SignedIn,
    RefreshToken,
    Revocation,
)
"""Every model; Alembic compares them with the database."""

apps: Table = metadata.tables["apps"]
users: Table = metadata.tables["users"]
streams: Table = metadata.tables["streams"]
notifications: Table = metadata.tables["notifications"]
pages: Table = metadata.tables["pages"]
deliveries: Table = metadata.tables["deliveries"]
api_keys: Table = metadata.tables["api_keys"]
subscriptions: Table = metadata.tables["subscriptions"]
allowances: Table = metadata.tables["allowances"]
segments: Table = metadata.tables["segments"]
schedules: Table = metadata.tables["schedules"]
schedule_runs: Table = metadata.tables["schedule_runs"]
connection_logs: Table = metadata.tables["connection_logs"]
accounts: Table = metadata.tables["accounts"]
sessions: Table = metadata.tables["sessions"]
refresh_tokens: Table = metadata.tables["refresh_tokens"]
revocations: Table = metadata.tables["revocations"]
