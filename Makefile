# `make help` lists the targets. Tools are installed into .tools and binaries
# built into build, both in the checkout and both pinned; `make distclean`
# removes them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

GOLANGCI_VERSION := v2.15.0

# The functions' architecture. The emulator runs them as plain processes, so there it
# is the host's own.
HOST_ARCH := $(shell go env GOARCH)
ARCH ?= $(HOST_ARCH)
FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
GO_FILES := $(shell find functions shared infra events -name node_modules -prune -o -name '*.go' -not -name '*_test.go' -print 2>/dev/null) go.mod go.sum
FUNCTION_FLAGS := -trimpath -buildvcs=false -tags lambda.norpc -ldflags='-s -w -buildid='

# The console's pages. npm's packages are installed once for each lock file, outside of
# the tree that Go's tools walk; the pages' folder has a link to them.
WEB := functions/console/web
WEB_TOOLS := .tools/web-$(shell sha256sum $(WEB)/package-lock.json | cut -c 1-12)
WEB_FILES := $(shell find $(WEB)/src $(WEB)/public $(WEB)/index.html $(WEB)/vite.config.ts $(WEB)/package-lock.json -type f -not -path '*/schema.ts' -not -name '*.test.*' 2>/dev/null)

WITH := localstack/with.sh
say = @printf '\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##--- the two commands

# The installs wait for the network and the compiler for the processor, so they run side
# by side: a job for each install, and one in which one go build follows another.
AT_ONCE := --no-print-directory -j6

.PHONY: run
run: ## Build all, start the emulator, deploy, play the main job through the AWS CLI, serve the console, leave it running
	@$(MAKE) $(AT_ONCE) tools build
	localstack/run.sh start

.PHONY: link
link: ## Print a new link to the console of `make run`
	localstack/run.sh link

.PHONY: stop
stop: ## End the processes that `make run` started
	localstack/run.sh stop

.PHONY: test
test: ## Install the tools and run all checks
	$(call say,installing tools and building)
	@$(MAKE) $(AT_ONCE) tools .tools/golangci-lint-$(GOLANGCI_VERSION) build
	$(call say,generated files and formatting)
	@$(MAKE) checkgenerate
	$(call say,lint)
	@$(MAKE) lint
	$(call say,tests of the pages)
	@$(MAKE) webtest browser
	$(call say,tests of the packages)
	@$(MAKE) unit
	$(call say,end-to-end suite)
	@$(MAKE) e2e
	@echo "all checks passed"

##--- building

.PHONY: build
build: $(FUNCTIONS:%=build/functions/%/bootstrap) build/infra build/cadastre web ## Build the functions, the CDK program, the tool and the console's pages

# One rule for all: go knows the stale files, and equal sources make equal files.
build/functions/%/bootstrap: $(GO_FILES) build/arch
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build $(FUNCTION_FLAGS) -o $@ ./functions/$*

build/infra: $(GO_FILES)
	go build -o $@ ./infra

# The hosted console and the tool hold the console's pages.
build/functions/console/bootstrap build/cadastre: $(WEB)/dist/index.html

build/cadastre: $(GO_FILES)
	go build -o $@ ./shared/cmd/cadastre

.PHONY: web
web: $(WEB)/dist/index.html ## Build the console's pages

$(WEB)/dist/index.html: $(WEB_FILES) $(WEB)/src/api/schema.ts | webtools
	cd $(WEB) && npm run --silent build
	@touch $@

# The pages' types follow the API's description.
$(WEB)/src/api/schema.ts: build/openapi.json | webtools
	cd $(WEB) && npm run --silent types

# The program leaves the file alone if it is the same: then nothing is built anew.
build/openapi.json: build/openapi.stamp
	@:
build/openapi.stamp: $(GO_FILES)
	@mkdir -p build
	go run ./shared/ops/cmd/openapi -o build/openapi.json
	@touch $@

.PHONY: webtools
webtools: $(WEB_TOOLS)/done
	@ln -sfn ../../../$(WEB_TOOLS)/node_modules $(WEB)/node_modules

$(WEB_TOOLS)/done:
	@echo "installing the packages of the pages"
	mkdir -p $(@D) && cp $(WEB)/package.json $(WEB)/package-lock.json $(@D)
	cd $(@D) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Changes when ARCH does, so that the functions are built anew.
build/arch: FORCE
	@mkdir -p build
	@[ "$$(cat $@ 2>/dev/null)" = "$(ARCH)" ] || echo "$(ARCH)" > $@
FORCE:

.PHONY: generate
generate: ## Write the generated files anew
	go generate ./shared/...
	go test ./shared/ops -run README -update
	go test ./shared/telemetry -run Readme -update
	git ls-files -z '*.go' | xargs -0 gofmt -l -w

.PHONY: checkgenerate
checkgenerate: ## Fail unless formatting, go.mod and generated files are up to date
	@out=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); [ -z "$$out" ] || { echo "not formatted: $$out"; exit 1; }
	go mod tidy -diff
	go generate ./shared/... && git diff --exit-code -- shared/wire/schema shared/client

.PHONY: climodel
climodel: ## Write the service model by which the AWS CLI and boto3 call a deployment on AWS
	@mkdir -p build
	go run ./shared/cmd/cadastre model --file build/cadastre-service-2.json
	@echo "aws configure add-model --service-name cadastre --service-model file://build/cadastre-service-2.json"

# AWS runs arm64, unless ARCH is given on the command line or in the environment.
DEPLOY_ARCH = $(if $(filter command environment,$(firstword $(origin ARCH))),$(ARCH),arm64)

.PHONY: bootstrap
bootstrap: .tools/node.done ## Prepare the account and Region of the environment's credentials for CDK, once (CDK=… for arguments)
	@$(MAKE) build ARCH=$(DEPLOY_ARCH)
	.tools/node/node_modules/.bin/cdk bootstrap $(CDK)

.PHONY: deploy
deploy: .tools/node.done ## Deploy to the AWS account of the environment's credentials (CDK=… for arguments)
	@$(MAKE) build ARCH=$(DEPLOY_ARCH)
	.tools/node/node_modules/.bin/cdk deploy --all $(CDK)
	-@go run ./infra/cmd/limits

.PHONY: limits
limits: ## Compare the account's Lambda concurrency with the limits of the deployed functions (cdk.out of `make deploy`)
	go run ./infra/cmd/limits

.PHONY: console
console: ## Serve the console on this machine (ENDPOINT=…, REGION=…; CONSOLE=… for flags)
	@: $(if $(ENDPOINT),,$(error ENDPOINT=… names the API: the output ApiUrl of the service stack))
	go run ./shared/cmd/cadastre console --endpoint "$(ENDPOINT)" $(if $(REGION),--region "$(REGION)") $(CONSOLE)

.PHONY: proxy
proxy: ## Serve tools that sign for EC2, on this machine (ENDPOINT=…, REGION=…; PROXY=… for flags)
	@: $(if $(ENDPOINT),,$(error ENDPOINT=… names the API: the output ApiUrl of the service stack))
	go run ./shared/cmd/cadastre proxy --endpoint "$(ENDPOINT)" $(if $(REGION),--region "$(REGION)") --listen 127.0.0.1:8181 $(PROXY)

##--- checking

.PHONY: lint
lint: .tools/golangci-lint-$(GOLANGCI_VERSION) ## Run the linters
	$< run

.PHONY: unit
unit: .tools/dynamodb-local.done .tools/emulator.done .tools/clients.done ## Run the Go tests, with DynamoDB Local and the emulator
	PATH=$(CURDIR)/.tools/clients/bin:$$PATH $(WITH) dynamodb emulator -- go test -timeout 20m ./...

.PHONY: race
race: .tools/dynamodb-local.done .tools/emulator.done .tools/clients.done ## Run the Go tests of the library and functions under the race detector
	PATH=$(CURDIR)/.tools/clients/bin:$$PATH $(WITH) dynamodb emulator -- go test -race -timeout 30m ./shared/... ./functions/... ./localstack/...

.PHONY: webtest
webtest: web ## Check the types of the pages, lint them and run their unit tests
	cd $(WEB) && npm run --silent check && npm run --silent test && npm run --silent size

.PHONY: browser
browser: web ## Test the pages in a real browser
	cd $(WEB) && npm run --silent browser

.PHONY: pictures
pictures: web ## Take pictures of all pages in both languages and themes, into build/pictures
	cd $(WEB) && npm run --silent pictures

.PHONY: e2e
e2e: build tools ## Run the end-to-end suite on the emulator and behind the front that verifies signatures
	PYTHON=$(CURDIR)/.tools/clients/bin/python CADASTRE_LOGS=build/logs localstack/e2e/both.sh

.PHONY: bench
bench: .tools/dynamodb-local.done ## Measure the core, the whole operation and the start of the api function
	$(WITH) dynamodb -- localstack/bench/run.sh

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME
	@for p in $$(grep -rl '^func Fuzz' --include='*_test.go' functions shared | xargs -n 1 dirname | sort -u); do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$p/*_test.go | cut -d' ' -f2); do \
			echo "== $$p $$f"; go test ./$$p -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME); \
		done; \
	done

.PHONY: fsck
fsck: ## Check the invariants of the table TABLE (FSCK=… for flags)
	@: $(if $(TABLE),,$(error TABLE=… names the table: the output TableName of the data stack))
	go run ./shared/cmd/cadastre fsck --table "$(TABLE)" $(FSCK)

.PHONY: putback
putback: ## Put the losses in LOST (of `cadastre fsck --lost-since`) back into the restored table TABLE, from the table OLD
	@: $(if $(TABLE),,$(error TABLE=… names the restored table)) $(if $(OLD),,$(error OLD=… names the table that was in use before))
	go run ./infra/cmd/putback -table "$(TABLE)" -from "$(OLD)" <"$(if $(LOST),$(LOST),lost.jsonl)"

##--- tools

.PHONY: tools
tools: .tools/clients.done .tools/emulator.done .tools/node.done .tools/dynamodb-local.done ## Install CDK, the emulator, DynamoDB Local and the clients

.tools/clients.done: localstack/e2e/requirements.txt
	@echo "installing the AWS CLI, boto3 and pytest"
	rm -rf .tools/clients && python3 -m venv .tools/clients
	.tools/clients/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.tools/emulator.done: localstack/services/emulator.txt
	@echo "installing the emulator"
	rm -rf .tools/emulator && python3 -m venv .tools/emulator
	.tools/emulator/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.tools/node.done: localstack/deploy/package.json localstack/deploy/package-lock.json
	@echo "installing CDK"
	mkdir -p .tools/node && cp $^ .tools/node/
	cd .tools/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.tools/dynamodb-local.done: localstack/services/dynamodb-local.pom.xml
	@echo "installing DynamoDB Local"
	mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.tools/dynamodb-local/lib
	@touch $@

.tools/golangci-lint-$(GOLANGCI_VERSION):
	@echo "building golangci-lint, which takes some minutes the first time"
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .tools/golangci-lint $@

##--- tidying up

.PHONY: clean
clean: ## Remove the built files
	rm -rf build cdk.out

.PHONY: distclean
distclean: stop clean ## Remove the tools too
	rm -rf .tools .state
