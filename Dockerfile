# Stages: build a wheel and an environment, then copy only the environment. Two images come out of it:
#   docker build .                      the gateway, as it runs in production (the last stage)
#   docker build --target workbench .   with the workbench, for test mode: demo world, test login, qualification
# Every step is a plain command, so that tests/flow/test_container_steps.py can run the same steps without an engine.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/gateway && /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check "setuptools>=75" wheel
COPY requirements.lock ./
RUN /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY profiles profiles
COPY adapters adapters
COPY auth auth
RUN /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM build AS build-workbench
COPY workbench workbench
RUN /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation ./workbench

FROM python:3.11-slim-bookworm AS base
RUN groupadd --gid 10001 gateway && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin gateway \
 && install -d -o gateway -g gateway /data
ENV PATH=/opt/gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    GATEWAY_DATABASE_URL=sqlite:////data/gateway.db GATEWAY_LISTEN__HOST=0.0.0.0 GATEWAY_LISTEN__PORT=8080
# Only /data is written to: run with a read-only root file system (see compose.yaml).
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["gateway", "healthcheck"]
CMD ["gateway", "serve"]

FROM base AS workbench
COPY --from=build-workbench /opt/gateway /opt/gateway

FROM base AS production
ENV GATEWAY_MODE=production
COPY --from=build /opt/gateway /opt/gateway
