"""The Falcon application: middleware, error handlers and the routes of the table; nothing is decided here.

Rule C.
"""

from typing import Any, Final

import falcon
import orjson

from api import documents, errors, limits, openapi, routes
from api.account_routes import AREA as ACCOUNTS
from api.compat import routes as compat
from api.compat.sending import Sending
from api.compat.sessions import Doors
from api.compat.trials import Trials
from api.deps import Deps
from api.documents import File
from api.middleware.acceptable import Acceptable
from api.middleware.access import Access
from api.middleware.auth import Auth
from api.middleware.bodies import Bodies
from api.middleware.compression import Compression
from api.middleware.cors import Cors
from api.middleware.headers import Headers
from api.middleware.paths import EncodedSlashes, WithSlashes
from api.middleware.request_id import HEADER as REQUEST_ID
from api.middleware.request_id import RequestId
from api.request import ApiRequest
from api.resources.accounts import AccountBox, SessionBox, WsTicketBox
from api.resources.api_keys import ApiKeys
from api.resources.audiences import AudienceBox
from api.resources.base import Resource
from api.resources.cancelling import CancelBox
from api.resources.caps import CapBox
from api.resources.dead_letters import DeadLetterBox
from api.resources.following import Followed
from api.resources.inbox import Inbox, InboxMark
from api.resources.notifications import REPLAYED_HEADER, Notifications
from api.resources.operations import Health, Metrics, Readiness
from api.resources.pages import OpenApi, Pages, node_origins
from api.resources.presence import PresenceBox
from api.resources.schedules import ScheduleBox
from api.resources.segments import SegmentBox
from api.resources.sign_in import DevSignIn
from api.resources.subscriptions import TopicBox
from api.resources.user_deliveries import UserDeliveryBox
from api.resources.users import Users
from api.routing import Lookup, Table, lookup
from shared.domain.marks import Action

COOKIE_PATHS: Final = "/v1/auth/"
"""The routes that read a cookie begin so; no other takes one for a credential."""

VERSION: Final = "1"
"""Of the interface, as in the paths."""

Application = falcon.App[Any, Any]


def create_app(deps: Deps) -> Application:
    """Put the application together."""
    own = tuple(each for each in routes.TABLE if deps.settings.accounts or each.area != ACCOUNTS)
    table = own + (routes.DEVELOPMENT if deps.settings.dev_sign_in else ())
    served = table + compat.table(deps.settings)
    app: Application = falcon.App(request_type=ApiRequest, middleware=_middleware(deps, lookup(served)))
    for kind in ("user", "topic"):
        app.router_options.converters[kind] = WithSlashes
    errors.add_handlers(app, debug=deps.settings.debug)
    resources = _resources(deps, table)
    for path, suffix, resource in dict.fromkeys((each.path, each.suffix, each.resource) for each in served):
        app.add_route(path, resources[resource], suffix=suffix)
    app.add_route("/docs/{name}", resources["docs"])
    if deps.settings.console:
        console = Pages(
            documents.read_folder(documents.CONSOLE, documents.CLIENT), sockets=node_origins(deps.settings)
        )
        app.add_route("/console", console)
        app.add_route("/console/{name}", console)
    return app


def _middleware(deps: Deps, operations: Lookup) -> list[Any]:
    """Return the middleware, the outermost first."""
    settings = deps.settings
    found: list[Any] = [
        Access(deps.clock.monotonic, deps.write_access),
        RequestId(deps.random),
        Headers(),
        EncodedSlashes(),
        Auth(operations, deps.authenticator, deps.limiter),
        Acceptable(),
        Bodies(body_max=settings.body_max, batch_max=settings.batch_max),
        Compression(),
    ]
    if settings.origins:
        exposed = [REQUEST_ID, REPLAYED_HEADER, "Retry-After", limits.HEADER, limits.POLICY_HEADER]
        found.insert(2, Cors(settings.origins, expose=exposed, cookies=COOKIE_PATHS))
    return found


def _resources(deps: Deps, table: Table) -> dict[str, Resource]:
    """Return the resources by the names that the table uses."""
    marks = {f"inbox_{action}": InboxMark(deps.inboxes, action) for action in Action}
    return {
        "notifications": Notifications(deps.acceptance, deps.known_apps, deps.stories, deps.limiter),
        "audiences": AudienceBox(deps.audiences),
        "following": Followed(deps.following),
        "dead_letters": DeadLetterBox(deps.dead_letters),
        "cancelling": CancelBox(deps.cancelling),
        "inbox": Inbox(deps.inboxes),
        **marks,
        "users": Users(deps.people),
        "user_deliveries": UserDeliveryBox(deps.user_deliveries),
        "presence": PresenceBox(deps.presences),
        "topics": TopicBox(deps.subscriptions),
        "segments": SegmentBox(deps.segments),
        "caps": CapBox(deps.caps),
        "schedules": ScheduleBox(deps.schedules),
        "api_keys": ApiKeys(deps.keys),
        **_doors(deps),
        "health": Health(deps.clock),
        "readiness": Readiness(deps.check_ready),
        "metrics": Metrics(deps.journal),
        "openapi": OpenApi(_description(table)),
        "docs": Pages(documents.read_folder(documents.PAGES)),
        "sign_in": DevSignIn(deps.settings, deps.clock),
        "compat_sending": Sending(deps.acceptance, deps.known_apps, deps.limiter, deps.authenticator),
        "compat_trials": Trials(),
        "compat_doors": Doors(deps.settings, deps.identity, deps.authenticator),
    }


def _doors(deps: Deps) -> dict[str, Resource]:
    """The resources of /v1/auth."""
    settings, doors = deps.settings, deps.identity
    return {
        "accounts": AccountBox(settings, doors.accounts, deps.authenticator),
        "sessions": SessionBox(settings, doors.sessions, deps.authenticator),
        "ws_tickets": WsTicketBox(doors.tickets),
    }


def _description(table: Table) -> File:
    content = orjson.dumps(openapi.document(table, version=VERSION))
    return documents.make_file(content, falcon.MEDIA_JSON)
