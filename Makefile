# The portal needs a Python from 3.11 and make; all else is installed into .venv.
#
#   make run       start everything; PORT, DATA_DIR, ADMIN_PASSWORD and more: see README.md
#   make test      all tests, with servers and a browser of their own; ARGS goes to pytest
#   make long      the tests that take too long for every change
#   make chaos     a long test in which all that can fall over does; ARGS="--seed 7" repeats one
#   make production   a production-like start under load, while each part is restarted
#   make check     style, types, who imports whom, migrations, deployment settings
#   make audit     known vulnerabilities of what the portal is made of; part of make check
#   make lock      write the lock files anew from pyproject.toml; ARGS=--upgrade for newer versions

PYTHON := .venv/bin/python
PACKAGES := config runs retention analytics
# What was compiled is kept, also where the environment says otherwise: the tests start some
# hundred processes, and each would compile the portal anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test long chaos production check audit bench screenshots lock installed \
	installed-dev chromium

run: installed
	@exec $(PYTHON) -m config.embedded

# A browser's tests run apart: what drives it leaves a loop running, in which Django asks no database.
test: installed-dev chromium
ifdef ARGS
	$(PYTHON) -m pytest $(ARGS)
else
	$(PYTHON) -m pytest -n 3 --dist loadfile -m "not browser and not long"
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "browser and not long"
endif

long: installed-dev chromium
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "long and not browser" $(ARGS)
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "long and browser" $(ARGS)

chaos: installed-dev
	@exec $(PYTHON) -m tests.chaos $(ARGS)

production: installed-dev
	@exec $(PYTHON) -m tests.production $(ARGS)

bench: installed-dev
	$(PYTHON) -m tests.bench $(ARGS)

screenshots: installed-dev chromium
	$(PYTHON) -m tests.screenshots $(ARGS)

# As in production, but without a database: none is needed to look at the code.
check: export SECRET_KEY = checked-only-and-never-used-to-sign-anything-0123456789
check: export ALLOWED_HOSTS = portal.example
check: export DATA_DIR = build/check
check: export DJANGO_SETTINGS_MODULE = config.settings
check: installed-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy $(PACKAGES)
	.venv/bin/lint-imports
	$(PYTHON) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(PYTHON) manage.py check --deploy --fail-level WARNING
	$(PYTHON) -m tests.audit

audit: installed-dev
	$(PYTHON) -m tests.audit $(ARGS)

COMPILE = $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate $(ARGS)

lock: installed-dev
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(COMPILE) --group install --output-file requirements-install.lock

# -- What the above need ------------------------------------------------------------------------

define FIND_PYTHON
python=; \
for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
		python=$$candidate; break; \
	fi; \
done; \
if [ -z "$$python" ]; then \
	echo 'The portal needs Python 3.11 or newer, and found none; please install one.' >&2; exit 1; \
fi
endef

installed:
	@$(FIND_PYTHON); exec "$$python" config/embedded/install.py requirements.lock

installed-dev:
	@$(FIND_PYTHON); exec "$$python" config/embedded/install.py requirements-dev.lock

# The browser tests drive Debian's Chromium, or a browser that is there already.
chromium:
	@for program in chromium chromium-browser google-chrome; do \
		if command -v $$program > /dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ]; then root=; else root='sudo -n'; fi; \
	if ! command -v apt-get > /dev/null || ! $$root true 2> /dev/null; then \
		echo 'The browser tests need Chromium or Chrome; please install one.' >&2; exit 1; \
	fi; \
	echo 'Installing Chromium for the browser tests.'; \
	$$root apt-get update -qq && \
	$$root apt-get install -y -qq --no-install-recommends chromium > /dev/null
