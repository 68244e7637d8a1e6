# Every target sets up what it needs first; that is instant when nothing changed.
.DEFAULT_GOAL := help
.PHONY: help setup retrain test up down status schedule-on schedule-off lint lock bench bench-models bench-gate stack-test browser-test clean
MAKEFLAGS += --no-print-directory

# What to run, for `make retrain`. Taken as it was typed (`value`: no expansion by make) and handed on as environment variables
# (no expansion by a shell), so that nothing in it is ever executed.
override SOURCE := $(value SOURCE)
override WINDOW := $(value WINDOW)
override MODEL := $(value MODEL)
override SET := $(value SET)
override SEED := $(value SEED)
override RELEASE := $(value RELEASE)
override FORCE := $(value FORCE)
override ONLY := $(value ONLY)
override REPEATS := $(value REPEATS)
override SEEDS := $(value SEEDS)
export SOURCE WINDOW MODEL SET SEED RELEASE FORCE ONLY REPEATS SEEDS

TFX := .venv/bin/python
AIRFLOW := .venv-airflow/bin/python

help:
	@echo 'make retrain      run news_retrain once: SOURCE=demo|tfds|FOLDER MODEL=preset SET="training.epochs=2 …"'
	@echo '                  WINDOW="last 30d" SEED=1 RELEASE=auto|hold|never FORCE=1'
	@echo 'make up, down     start and stop Airflow and the MLflow UI on this machine; make status'
	@echo 'make schedule-on  let the schedule retrain (the stack must be up); make schedule-off'
	@echo 'make test, lint   the tests, the checkers; make stack-test and browser-test drive a real Airflow'
	@echo 'make bench        times a retraining beside what one would do otherwise: SOURCE=FOLDER REPEATS=3 ONLY="fresh again"'
	@echo 'make bench-models measures the presets: SOURCE=FOLDER REPEATS=5 ONLY="linear bag"'
	@echo 'make bench-gate   how often the gate refuses equal and worse models: SOURCE=FOLDER MODEL="bag" SEEDS=8 REPEATS=2'
	@echo 'make lock         resolve both lock files anew'
	@echo 'make clean        free disk: caches, leftovers, logs; ENVIRONMENTS=1 the installed packages too'

setup:
	@.ci/setup tfx
	@.ci/setup airflow

retrain: setup
	@$(AIRFLOW) -m pipelines.airflow_stack.retrain_under_airflow

up down status schedule-on schedule-off: setup
	@$(AIRFLOW) -m pipelines.airflow_stack.stack $@

test: setup
	$(TFX) -m pytest tests --ignore=tests/dags -m "not e2e"
	$(AIRFLOW) -m pytest tests/dags

lint: setup
	$(TFX) -m ruff check .
	$(TFX) -m ruff format --check .
	.venv/bin/lint-imports

# Python itself gets the signals, not make's shell; the machine should have nothing else to do.
bench: setup
	@$(TFX) tests/benchmarks/bench.py

# Trains each preset with several seeds: about twenty minutes of two cores.
bench-models: setup
	@$(TFX) tests/benchmarks/models.py

# Trains two presets with eight seeds and sixteen regressions each; what is trained is kept, so that it goes on where it stopped.
bench-gate: setup
	@$(TFX) tests/benchmarks/gate.py

stack-test: setup
	$(AIRFLOW) -m pytest tests/e2e/test_airflow_stack.py tests/e2e/test_tfx_stack.py -m e2e

# Screenshots land in .github/screenshots, for the README.
browser-test: setup
	@.ci/setup browser
	NEWSDESK_SCREENSHOTS=.github/screenshots $(AIRFLOW) -m pytest tests/e2e/test_browser.py

lock: setup
	.tools/uv/bin/uv pip compile pyproject.toml --group tfx --group dev --generate-hashes --no-annotate --no-header \
	  --python-version 3.10 --quiet -o docker/tfx.lock
	.tools/uv/bin/uv pip compile pyproject.toml --group airflow --group dev --generate-hashes --no-annotate --no-header \
	  --python-version 3.10 --quiet -o docker/airflow.lock
	.tools/uv/bin/uv pip compile --group pyproject.toml:browser --constraint docker/airflow.lock --generate-hashes \
	  --no-annotate --no-header --python-version 3.10 --quiet -o docker/browser.lock

# Without `setup`: it must work on a full disk. Any Python will do.
clean:
	@python3 -m pipelines.operations.disk_cleanup
