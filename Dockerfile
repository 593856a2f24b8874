# argos-sync in a container: no root, no secret in it, and only /data and /tmp are written to.
# docs/deployment.md has how to run it.
FROM python:3.11-slim AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/argos-sync \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
# Drivers of other destinations, clients of vaults: --build-arg EXTRAS="snowflake google-secrets".
ARG EXTRAS="delta postgres"
COPY pyproject.toml uv.lock ./
# Dependencies have a layer of their own: they change less often than the code.
RUN for extra in ${EXTRAS}; do set -- "$@" --extra "${extra}"; done \
    && uv sync --frozen --no-default-groups --no-install-project "$@"
COPY README.md LICENSE ./
COPY schemas schemas
COPY pipelines pipelines
RUN for extra in ${EXTRAS}; do set -- "$@" --extra "${extra}"; done \
    && uv sync --frozen --no-default-groups --no-editable "$@"

FROM python:3.11-slim
# Kubernetes can only tell from a number that the user is not root.
RUN groupadd --gid 10001 argos \
    && useradd --uid 10001 --gid argos --no-create-home --home-dir /data argos \
    && install --directory --owner=argos --group=argos --mode=0700 /data
COPY --from=build /opt/argos-sync /opt/argos-sync
ENV PATH=/opt/argos-sync/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    DLT_DATA_DIR=/data/dlt
# The DuckDB file, if that is the destination, and .dlt/config.toml, if there is one.
WORKDIR /data
USER 10001:10001
# Of the default destination; for another one, give the check its --destination where you run it.
HEALTHCHECK --interval=1h --timeout=1m --start-period=26h --retries=2 \
    CMD ["argos-sync", "status", "--max-age", "26h", "--quiet"]
ENTRYPOINT ["argos-sync"]
CMD ["--help"]
