# Development tasks; `make` lists them. Needs make and Python 3.11 to 3.13; `make PYTHON=...` names the interpreter.

# The first of several commands that works; some of pyenv's do not.
first = $(shell for name in $(1); do "$$name" -c '' 2>/dev/null && echo "$$name" && break; done)
PYTHON ?= $(or $(call first,python3.11 python3.12 python3.13),python3)
KAGGLE_PYTHON ?= $(or $(call first,python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python)),$(PYTHON))
BIN := .venv/bin
RUN := $(BIN)/python
INSTALLED := .venv/.installed
KAGGLE := .venv-kaggle
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(LOCK_FLAGS)
extras = $(foreach extra,$(1),--extra $(extra))
# Extras that Dockerfile and Dockerfile.gpu install.
IMAGE := aws cluster rsna viewer

# DATA names Kaggle's stage1_train, a folder or zip archive: a fold is held out, and part of it scored. Without DATA,
# the demo uses a generated set. An interrupted demo resumes; `make clean` resets it. The shell expands DATA, quoted;
# make's own functions would part it at blanks.
export DATA
blank := $(subst ,, )
DEMO_LOGS := "demo/logs$(if $(DATA),-$(basename $(notdir $(patsubst %/,%,$(subst $(blank),_,$(DATA))))))"
DEMO_TRAIN := --preset demo --logs $(DEMO_LOGS) --dataset $(if $(DATA),"$$DATA" --fold 0,demo/data/stage1_train)
DEMO_SET := $(if $(DATA),--dataset "$$DATA" --fold 0 --limit 24 --score "$$DATA",\
	--dataset demo/data/stage1_test --score demo/data/stage1_solution.csv)
DEMO_FIRST := --weights small $(DEMO_SET) --output demo/first.csv --overlays demo/first --labels demo/labels
DEMO_TEST := --logs $(DEMO_LOGS) $(DEMO_SET) --output demo/tta.csv --overlays demo/overlays
DEMO_VIEW := --dataset $(if $(DATA),"$$DATA" --only-submitted,demo/data/stage1_test --solution demo/data/stage1_solution.csv) \
	--submission demo/first.csv --submission demo/tta.csv --weights small

# Two processes, one file of tests each at a time, so that what its tests share is made once.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --durations 10

BENCHMARKS := run_lengths merge_views paint_masks score average_precision training_batch large_image long_run kill

.PHONY: help install kaggle lock lambda notebooks gallery demo demo-data test test-slow test-jax test-kaggle lint format benchmark clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

install: $(INSTALLED)  ## create .venv with all that the tests need; again only after a dependency changed

$(INSTALLED): Makefile setup.cfg pyproject.toml requirements/lock.txt requirements/imgaug.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --require-hashes --requirement requirements/lock.txt
	$(RUN) -m pip install --quiet --require-hashes --no-deps --requirement requirements/imgaug.txt
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(KAGGLE)/.installed: requirements/kaggle.txt
	$(KAGGLE_PYTHON) -m venv $(KAGGLE)
	$(KAGGLE)/bin/python -m pip install --quiet --require-hashes --requirement requirements/kaggle.txt
	touch $@

kaggle: $(KAGGLE)/.installed  ## create .venv-kaggle with the versions of Kaggle's notebooks, for kernels/kernel.py run

lock: install  ## update requirements/*.txt from setup.cfg and *.in; LOCK_FLAGS=--upgrade takes the newest versions
	$(COMPILE) setup.cfg $(call extras,cpu jax onnx imgaug rsna cluster s3 gs parquet viewer aws serverless kaggle notebooks test dev) --output-file requirements/lock.txt >/dev/null
	$(COMPILE) setup.cfg requirements/kaggle.in $(call extras,cpu jax imgaug rsna test) \
		--output-file requirements/kaggle.txt >/dev/null
	$(COMPILE) setup.cfg $(call extras,cpu $(IMAGE)) --constraint requirements/lock.txt \
		--output-file requirements/cpu.txt >/dev/null
	$(COMPILE) setup.cfg $(call extras,gpu $(IMAGE)) --constraint requirements/lock.txt \
		--output-file requirements/gpu.txt >/dev/null
	$(COMPILE) --no-deps requirements/imgaug.in --output-file requirements/imgaug.txt >/dev/null
	$(COMPILE) --no-deps requirements/serverless.in --output-file requirements/serverless.txt >/dev/null

lambda: install  ## build the package of the lung function for AWS Lambda, build/lung
	$(RUN) deploy/lung-lambda/build.py --python $(KAGGLE_PYTHON)

notebooks: install  ## write notebooks/*.ipynb from the texts beside them
	$(RUN) notebooks/write.py

demo: install $(if $(DATA),,demo-data)  ## find nuclei; train, predict with many views and score; on DATA=path, or generated images
	$(RUN) dsb/my_inference.py $(DEMO_FIRST)
	$(RUN) dsb/my_train_1.py $(DEMO_TRAIN) --weights small
	$(RUN) dsb/my_train_2.py $(DEMO_TRAIN)
	$(RUN) dsb/my_train_3.py $(DEMO_TRAIN)
	$(RUN) dsb/my_inference_tta.py $(DEMO_TEST)
	@$(RUN) -c 'import shlex, sys; print("to see it:", shlex.join(sys.argv[1:]))' $(RUN) -m viewer $(DEMO_VIEW)

demo-data: install
	$(RUN) dsb/generate.py --output demo/data --images 120 --test-images 12 --seed 1 --sizes 256x256,256x320

gallery: install  ## write the figures of docs/inspection.md, on generated images
	$(RUN) dsb/generate.py --output demo/gallery/set --images 60 --test-images 1 --seed 1 --sizes 256x256,256x320
	$(RUN) dsb/my_inference.py --weights small --dataset demo/gallery/set/stage1_train --csv-only --output demo/gallery/small.csv
	$(RUN) inspection/report.py data --dataset demo/gallery/set/stage1_train --output demo/gallery/data
	$(RUN) inspection/report.py runs --dataset demo/gallery/set/stage1_train --submission demo/gallery/small.csv --output demo/gallery/runs
	$(RUN) inspection/report.py model --dataset demo/gallery/set/stage1_train --weights small --layers fpn_p3 --output demo/gallery/model
	$(RUN) -c "from pathlib import Path; from tests.chests import write_plain; write_plain(Path('demo/gallery/lungs'))"
	$(RUN) inspection/report.py model --dataset demo/gallery/lungs --weights lung --layers up1_relu2 --output demo/gallery/unet
	$(RUN) inspection/gallery.py $(addprefix demo/gallery/,data runs model unet) --output docs/inspection

test: install  ## run the fast tests and docstring examples
	$(RUN) -m pytest $(SIDE_BY_SIDE) -m "not slow"

test-slow: install  ## run the slow ones: full-size networks, kills, exports, scripts as processes
	$(RUN) -m pytest $(SIDE_BY_SIDE) -m slow tests

test-jax: install  ## run tests of networks and training on JAX, and the GPU recipe
	KERAS_BACKEND=jax $(RUN) -m pytest tests/network \
		tests/dsb/test_scripts.py::test_a_packed_set_trains_the_recipe_for_a_gpu

test-kaggle: install $(KAGGLE)/.installed  ## run tests of networks, training, prediction, scripts on Kaggle's versions
	$(KAGGLE)/bin/python -m pytest tests/network tests/runs tests/prediction tests/output tests/images tests/dsb
	$(RUN) -m pytest tests/test_versions.py

lint: install  ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## format the code and apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: install  ## compare with other implementations; prints tables
	set -e; for name in $(BENCHMARKS); do echo "$$name"; $(RUN) "benchmarks/$$name.py"; done

clean:  ## remove the demo and caches; keeps .venv, logs and submissions
	rm -rf demo build dist .pytest_cache .ruff_cache .mypy_cache *.egg-info
	find . -path './.venv*' -prune -o -name __pycache__ -type d -exec rm -rf {} +
