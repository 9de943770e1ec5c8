# One image for every process: `python -m launcher exec api|node|worker|worker_bulk|beat|flower`.

FROM python:3.11-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install uv==0.13.8
WORKDIR /bellhop
COPY requirements.lock ./
RUN uv venv --python /usr/local/bin/python /bellhop/.venv \
    && uv pip sync --no-cache --require-hashes --python /bellhop/.venv/bin/python requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home bellhop
WORKDIR /bellhop
COPY --from=build /bellhop/.venv .venv
COPY LICENSE Procfile alembic.ini ./
COPY migrations migrations
COPY shared shared
COPY launcher launcher
COPY api api
COPY workers workers
COPY wsnode wsnode
# The console serves it.
COPY clients/js/bellhop.js clients/js/bellhop.js
ENV PATH=/bellhop/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BELLHOP_PROFILE=production \
    BELLHOP_BIND=0.0.0.0 \
    BELLHOP_DATA_DIR=/tmp/bellhop
USER 10001:10001
EXPOSE 8000 8001 8101 8102 5555
ENTRYPOINT ["python", "-m", "launcher", "exec"]
CMD ["api"]
