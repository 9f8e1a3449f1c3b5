# The front door: every target is one script, `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo stop test test-long lint fuzz install package bench bench-quality bench-features artifacts reference

help:       ## list the targets
	@scripts/help

setup:      ## install what the build needs (Debian packages)
	@scripts/setup

demo:       ## build, install, start a private server, train and classify the sample mails
	@scripts/demo

stop:       ## stop the demo server; its data stays
	@scripts/stop

test:       ## run the tests; the last line is "N passed, M failed, K skipped"
	@scripts/test

test-long:  ## run what takes longer, to be done before a release; the last line is the same
	@scripts/test long

lint:       ## read the source for what no test would notice
	@scripts/test lint

fuzz:       ## feed the parser and the tokenizer with inputs at random, for an hour or until stopped
	@scripts/fuzz

install:    ## build the release and install it into PostgreSQL
	@scripts/install

package:    ## pack what a machine without Rust needs to install it
	@scripts/package

bench:      ## run the benchmarks
	@scripts/bench

bench-quality:   ## measure how good the answers are, beside other classifiers
	@scripts/bench quality

bench-features:  ## print what each kind of token is worth on corpora
	@scripts/bench-features

artifacts:  ## rebuild model_artifacts/ from the sample mails
	@scripts/artifacts

reference:       ## make docs/reference.md anew of what the database says about itself
	@scripts/install
	@scripts/reference
