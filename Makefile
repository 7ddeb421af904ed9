# make demo: set up and run the benchmark at demo scale.  make test: run all tests.
# make figures: draw all panels from the tables that were kept.
PYTHON ?= python3.11
CORES ?= 2

# The mark is set last, so that an installation that broke off is done again.
.venv/installed: requirements.lock
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --requirement requirements.lock
	touch .venv/installed

.PHONY: demo
demo: .venv/installed
	@touch .venv/demo-started; \
	.venv/bin/snakemake --cores $(CORES) --configfile config/demo.yaml --quiet rules; \
	status=$$?; \
	if [ $$status = 0 ] || [ results/demo/summary.txt -nt .venv/demo-started ]; \
	then cat results/demo/summary.txt; fi; \
	exit $$status

# All panels anew from the tables in results/reference/, which stays as it is.
.PHONY: figures
figures: .venv/installed
	.venv/bin/python -m scscope.figures.redraw results/reference results/redrawn

.PHONY: test
test: .venv/installed
	.venv/bin/python -m pytest --numprocesses $(CORES) --dist loadfile

.PHONY: lint
lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check workflow
	.venv/bin/snakemake --lint

.PHONY: clean
clean:
	rm -rf .venv results/demo
