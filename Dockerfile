# One image for every process: `docker run bellhop api|node|worker|worker_bulk|beat|flower`.

FROM python:3.11-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install uv==0.13.8
WORKDIR /bellhop
# First what changes seldom.
COPY requirements.lock ./
RUN uv venv --python /usr/local/bin/python .venv \
    && uv pip sync --no-cache --require-hashes --python .venv/bin/python requirements.lock
COPY LICENSE Procfile alembic.ini ./
COPY migrations migrations
COPY shared shared
COPY launcher launcher
COPY api api
COPY workers workers
COPY wsnode wsnode
# The console serves it.
COPY clients/js/bellhop.js clients/js/bellhop.js
# The file system of the container is read-only: what is not compiled now would be compiled at each start.
RUN rm requirements.lock && python -m compileall -q api launcher migrations shared workers wsnode

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Bellhop" \
      org.opencontainers.image.description="Self-hosted, real-time notification service" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# pip stays behind with the means to install anything; nothing in here does.
RUN pip uninstall --yes setuptools wheel pip \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin bellhop
WORKDIR /bellhop
COPY --from=build /bellhop /bellhop
ENV PATH=/bellhop/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BELLHOP_PROFILE=production \
    BELLHOP_BIND=0.0.0.0 \
    BELLHOP_DATA_DIR=/tmp/bellhop
USER 10001:10001
EXPOSE 8000 8001 8101 8102 5555
STOPSIGNAL SIGTERM
# The api's; docker-compose.yml has each process's own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-m", "launcher.probe", "8000"]
ENTRYPOINT ["python", "-m", "launcher", "exec"]
CMD ["api"]
