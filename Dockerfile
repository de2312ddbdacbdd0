# Stages: build a wheel and an environment, then copy only the environment. Two images come out of it:
#   docker build .                      the gateway, as it runs in production (the last stage)
#   docker build --target workbench .   with the workbench, for test mode: demo world, test login, qualification
# Every step is a plain command, so that tests/flow/test_container_steps.py can run the same steps without an engine.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# A font to embed in the PDF/A of Mijn gegevens, of which only the file goes into the image; and strip, which stays here.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core binutils && rm -rf /var/lib/apt/lists/*
# What builds stays here: the environment that is copied has neither pip nor setuptools.
# Another package index than the public one comes from where it is built: --secret id=pip,src=pip.conf
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check "pip>=24" "setuptools>=75" wheel \
 && python -m venv --without-pip /opt/gateway
COPY requirements.lock ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/build/bin/pip --python /opt/gateway/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY profiles profiles
COPY adapters adapters
COPY auth auth
COPY deploy/image deploy/image
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --disable-pip-version-check --wheel-dir /wheels . \
 && /opt/build/bin/pip --python /opt/gateway/bin/python install --no-deps --no-index --no-cache-dir --disable-pip-version-check /wheels/medmij_gateway-*.whl \
 && /opt/build/bin/python deploy/image/slim.py /opt/gateway

FROM build AS build-workbench
COPY workbench workbench
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --disable-pip-version-check --wheel-dir /wheels ./workbench \
 && /opt/build/bin/pip --python /opt/gateway/bin/python install --no-deps --no-index --no-cache-dir --disable-pip-version-check /wheels/medmij_gateway_workbench-*.whl

FROM python:3.11-slim-bookworm AS base
RUN groupadd --gid 10001 gateway && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin gateway \
 && install -d -o gateway -g gateway /data
ENV PATH=/opt/gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    GATEWAY_DATABASE_URL=sqlite:////data/gateway.db GATEWAY_LISTEN__HOST=0.0.0.0 GATEWAY_LISTEN__PORT=8080
COPY --from=build /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
COPY --from=build /usr/share/doc/fonts-dejavu-core/copyright /usr/share/doc/fonts-dejavu-core/copyright
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
