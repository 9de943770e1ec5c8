"""What gunicorn serves: `api.wsgi:app`.

Rule C, one of the places that read the environment. gunicorn imports it in the worker, after gevent has made blocking
calls cooperative: see api.gunicorn_conf.
"""

import os

from api import deps
from api.app import create_app
from shared import logs
from shared.config import load_or_exit

_settings = load_or_exit(os.environ)
logs.configure(_settings, deps.PROCESS)

app = create_app(deps.build(_settings))
