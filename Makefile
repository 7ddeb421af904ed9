# make demo: set up and run the benchmark at demo scale.  make test: run all tests.
PYTHON ?= python3.11
CORES ?= 2

.venv: requirements.lock
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --requirement requirements.lock
	touch .venv

.PHONY: demo
demo: .venv
	@.venv/bin/snakemake --cores $(CORES) --configfile config/demo.yaml --quiet rules; \
	status=$$?; cat results/demo/summary.txt; exit $$status

.PHONY: test
test: .venv
	.venv/bin/python -m pytest

.PHONY: lint
lint: .venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check workflow
	.venv/bin/snakemake --lint

.PHONY: clean
clean:
	rm -rf .venv results/demo
