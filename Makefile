# Every target sets up what it needs first; that is instant when nothing changed.
.DEFAULT_GOAL := help
.PHONY: help setup retrain demo-week test up down workers status schedule-on schedule-off test-current lint lock bench bench-models bench-gate bench-gate-sequence stack-test browser-test e2e-test client clean
MAKEFLAGS += --no-print-directory

# What to run, for `make retrain`. Taken as it was typed (`value`: no expansion by make) and handed on as environment variables
# (no expansion by a shell), so that nothing in it is ever executed.
override SOURCE := $(value SOURCE)
override WINDOW := $(value WINDOW)
override PRESET := $(value PRESET)
override SET := $(value SET)
override SEED := $(value SEED)
override RELEASE := $(value RELEASE)
override FORCE := $(value FORCE)
override ONLY := $(value ONLY)
override COSTS := $(value COSTS)
override REPEATS := $(value REPEATS)
override SEEDS := $(value SEEDS)
override STEPS := $(value STEPS)
override ROWS := $(value ROWS)
export SOURCE WINDOW PRESET SET SEED RELEASE FORCE ONLY COSTS REPEATS SEEDS STEPS ROWS

TFX := .venv/bin/python
AIRFLOW := .venv-airflow/bin/python

help:
	@echo 'make retrain      run news_retrain once: SOURCE=demo|tfds|FOLDER PRESET=preset SET="training.epochs=2 …"'
	@echo '                  WINDOW="last 30d" SEED=1 RELEASE=auto|hold|never FORCE=1'
	@echo 'make demo-week    a week of the demo newsroom in minutes, with a table at its end'
	@echo 'make up, down     start and stop Airflow and the MLflow UI on this machine; make status'
	@echo 'make workers      workers on this machine for the stack of another one'
	@echo 'make spark        install what [LINE.engine] spark needs, 450 MB'
	@echo 'make databases    create the PostgreSQL databases that newsdesk.env names'
	@echo 'make schedule-on  let the schedule retrain (the stack must be up); make schedule-off'
	@echo 'make test, lint   the tests, the checkers; make test-fast for the inner loop'
	@echo 'make stack-test   drives a real Airflow; make browser-test its pages in a real browser'
	@echo 'make test-current a retraining and the tests in a Debian 13, with the current set of packages'
	@echo 'make bench        times a retraining beside what one would do otherwise: SOURCE=FOLDER REPEATS=3 ONLY="fresh again"'
	@echo 'make bench-models measures the presets: SOURCE=FOLDER REPEATS=5 ONLY="linear bag" COSTS="nightly"'
	@echo 'make bench-gate   how often the gate refuses equal and worse models: SOURCE=FOLDER PRESET="bag" SEEDS=8 REPEATS=2'
	@echo 'make bench-gate-sequence  thirty retrains in a row through the gate: SOURCE=FOLDER STEPS=30 ROWS=20000'
	@echo 'make client       a wheel for consumers without this repository, in dist/'
	@echo 'make lock         resolve the lock files of both sets anew'
	@echo 'make clean        free disk: caches, leftovers, logs; ENVIRONMENTS=1 the installed packages too'

setup:
	@.ci/setup tfx
	@.ci/setup airflow

retrain: setup
	@$(AIRFLOW) -m pipelines.airflow_stack.retrain_under_airflow

# What `[<line>.engine] spark` in newsdesk.toml needs: PySpark and Java.
.PHONY: spark
spark:
	@.ci/setup spark

# PostgreSQL databases that newsdesk.env names and the server does not have; `make databases up` for a first start.
.PHONY: databases
databases: setup
	@$(AIRFLOW) -m pipelines.airflow_stack.create_databases

up down workers status schedule-on schedule-off: setup
	@$(AIRFLOW) -m pipelines.airflow_stack.stack $@

# Two halves that share nothing, side by side: one for each of two cores.
test: setup
	@$(MAKE) -j2 test-components test-rest

.PHONY: test-components test-rest test-fast
test-components:
	$(TFX) -m pytest tests/components -m "not e2e"

test-rest:
	$(TFX) -m pytest tests --ignore=tests/dags --ignore=tests/components -m "not e2e"
	$(AIRFLOW) -m pytest tests/dags

# The inner loop: nothing that trains for long, fills disks or starts TFX.
test-fast: setup
	@$(MAKE) -j2 test-fast-components test-fast-rest

.PHONY: test-fast-components test-fast-rest
test-fast-components:
	$(TFX) -m pytest -q tests/components/core tests/components/data tests/components/registry tests/components/evaluation -m "not slow and not faults"

test-fast-rest:
	$(TFX) -m pytest -q tests/pipelines/config tests/pipelines/notifications tests/pipelines/cli tests/pipelines/reports tests/pipelines/test_flow.py -m "not slow and not faults"

# In a Debian 13 made for it, with the current set of packages; skipped, with the reason, where none can be made.
test-current:
	@.ci/current

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

# Thirty retrains of two presets, one after the other, and what the gate and the pointer make of them; goes on where it stopped as well.
bench-gate-sequence: setup
	@$(TFX) tests/benchmarks/gate_sequence.py

# Seven days of the demo's newsroom on the line news-demo, with a table at the end.
demo-week: setup
	@.venv/bin/newsdesk demo-week

stack-test: setup
	$(AIRFLOW) -m pytest tests/e2e/test_airflow_stack.py tests/e2e/test_tfx_stack.py -m e2e

# Screenshots land in .github/screenshots, for the README.
browser-test: setup
	@.ci/setup browser
	NEWSDESK_SCREENSHOTS=.github/screenshots $(AIRFLOW) -m pytest tests/e2e/test_browser.py

# Answers need numpy and TensorFlow alone.
client: setup
	@$(TFX) .ci/client_wheel.py dist

# Both, with a second try for what failed: what `.ci/run` does.
e2e-test: setup
	@.ci/e2e

# The older set is for Python 3.10 alone, the current one for 3.12 and 3.13: its lock files carry the differences as markers.
COMPILE := .tools/uv/bin/uv pip compile --generate-hashes --no-annotate --no-header --quiet
lock: setup
	$(MAKE) lock-set STACK=current PYTHON="--universal --python-version 3.12"
	$(MAKE) lock-set STACK=older PYTHON="--python-version 3.10"

.PHONY: lock-set
lock-set:
	$(COMPILE) pyproject.toml --group tfx --group dev --group dev-s3 $(PYTHON) -o docker/$(STACK)/tfx.lock
	$(COMPILE) pyproject.toml --group airflow --group dev $(PYTHON) -o docker/$(STACK)/airflow.lock
	$(COMPILE) --group pyproject.toml:browser --constraint docker/$(STACK)/airflow.lock $(PYTHON) \
	  -o docker/$(STACK)/browser.lock
	$(COMPILE) --group pyproject.toml:spark --constraint docker/$(STACK)/tfx.lock $(PYTHON) -o docker/$(STACK)/spark.lock

# Without `setup`: it must work on a full disk. Any Python will do.
clean:
	@python3 -m pipelines.operations.disk_cleanup
