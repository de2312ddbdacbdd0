# The three commands of the README, and what they need. Everything lives in .venv; nothing is installed elsewhere
# except the Debian packages that the tests drive (Chromium, nginx), by tools/install-test-services.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8080

.PHONY: run demo test nightly bench lint lock requirements chart sbom audit clean

run: $(VENV)/.installed
	$(BIN)/gateway demo serve --port $(PORT)

demo: $(VENV)/.installed
	$(BIN)/gateway demo visit

test: $(VENV)/.installed-dev
	tools/install-test-services
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest -q -n 2 --dist worksteal

# What takes truly long: every mutant of every instance, twenty kills of the listener, and at most a quarter of an hour
# of overload, fresh starts and soak, on a machine that does nothing else. Not part of `make test`.
nightly: $(VENV)/.installed-dev
	GATEWAY_ALL_MUTANTS=1 GATEWAY_KILL_ROUNDS=20 $(BIN)/pytest -q -n 2 --dist worksteal -m 'nightly or not nightly' \
	  tests/conformance/test_own_instances.py tests/conformance/test_validation_mutants.py tests/conformance/test_zib_tables.py \
	  tests/flow/test_intake_durability.py
	$(BIN)/pytest -q -s -m nightly

# What things cost, beside a baseline in the same run. BENCH="--persons 100000 --only reads --database postgresql://..."
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(BENCH)

# What ships it, with tools in an environment of their own: the chart is rendered by Helm and held to the schemas of
# Kubernetes; a bill of materials of what the image installs; known weaknesses of those releases.
chart: $(VENV)-deploy/.installed
	$(VENV)-deploy/bin/python tools/chart.py deploy/helm/medmij-gateway deploy/helm/example-values.yaml

sbom: $(VENV)-deploy/.installed
	mkdir -p dist
	$(VENV)-deploy/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON \
	  -o dist/medmij-gateway.cdx.json requirements.lock

audit: $(VENV)-deploy/.installed
	$(VENV)-deploy/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

$(VENV)-deploy/.installed: requirements-deploy.lock
	test -x $(VENV)-deploy/bin/python || $(PYTHON) -m venv $(VENV)-deploy
	$(VENV)-deploy/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-deploy.lock
	touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.installed: requirements.lock pyproject.toml workbench/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e workbench
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

# Writes the lock files anew from the ranges in pyproject.toml; review the difference before you commit it.
lock: $(VENV)/.installed-dev
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --extra build --extra saml -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --extra build --extra saml --extra dev -o requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  -o requirements-deploy.lock deploy/requirements.in

# Writes the page of requirements anew: after you name an id in code or in a test, or move or rename either.
requirements: $(VENV)/.installed-dev
	$(BIN)/python tools/requirements.py > docs/requirements.md.new
	mv docs/requirements.md.new docs/requirements.md

clean:
	rm -rf $(VENV) $(VENV)-deploy build dist var .mypy_cache .ruff_cache .pytest_cache
