"""The backends of the suite, and its callers.

The suite runs against one of two backends, chosen by CADASTRE_E2E_BACKEND:

emulator  the CDK deployment on the emulator. Its API is at CADASTRE_ENDPOINT, and
          the emulator itself at AWS_ENDPOINT_URL. Clients are the plain ones:
          boto3's "ec2" and `aws ec2`.
front     the deployed binary behind the front that verifies signatures, on the
          DynamoDB Local at CADASTRE_DYNAMODB_LOCAL_URL. Clients sign for
          execute-api, as against API Gateway on AWS: boto3 and the CLI through
          the generated service model.

CADASTRE_E2E_HALF=first or second chooses a half of the modules, so that both halves
can run at once, each on a deployment of its own. CADASTRE_E2E_CALLED then names a
folder in which they leave the operations that they called, and "coverage" is the
test that reads them.

A test that only one backend can run has a mark with its name, and is deselected
on the other. Nothing is skipped: a missing service makes the suite fail.
"""

import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import boto3
import botocore.config
import botocore.loaders
import botocore.session
import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import network
import preloaded

ROOT = pathlib.Path(__file__).resolve().parents[2]
GO_FLAGS = ["-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags=-s -w -buildid="]

# Operations that a test called with success. The last module compares them with
# the API's list.
CALLED = set()


def backend_name():
    return os.environ.get("CADASTRE_E2E_BACKEND", "emulator")


BUILD = ROOT / "build" / "e2e" / backend_name()  # both suites may run at once


SECOND = {"test_console_hosted.py", "test_demonstrations.py", "test_network.py", "test_vpcs.py"}  # the rest is in the first half


def pytest_collection_modifyitems(config, items):
    other = {"emulator": "front", "front": "emulator"}[backend_name()]
    modules = {item.path.name for item in items}
    whole = {p.name for p in pathlib.Path(__file__).parent.glob("test_*.py")} == modules and not config.option.keyword
    half = os.environ.get("CADASTRE_E2E_HALF")

    def wanted(module):
        if module == "test_z_coverage.py":
            return whole and half in (None, "coverage")
        return half is None or half == ("second" if module in SECOND else "first")

    keep, drop = [], []
    for item in items:
        (keep if wanted(item.path.name) and not item.get_closest_marker(other) else drop).append(item)
    if drop:
        config.hook.pytest_deselected(items=drop)
        items[:] = keep


def pytest_sessionfinish():
    if folder := os.environ.get("CADASTRE_E2E_CALLED"):
        path = pathlib.Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / os.environ["CADASTRE_E2E_HALF"]).write_text("\n".join(CALLED))


def need(variable):
    value = os.environ.get(variable)
    if not value:
        pytest.exit(f"{variable} is not set; `make e2e` sets it", returncode=2)
    return value


class Principal:
    """A caller: an access key, and the way to sign its requests."""

    def __init__(self, name, key, secret, account, arn):
        self.name, self.key, self.secret, self.account, self.arn = name, key, secret, account, arn


class Api:
    """The API as one principal calls it. Every method returns the answer in boto3's
    form, without ResponseMetadata."""

    def __init__(self, backend, principal):
        self.backend, self.principal = backend, principal
        self.clients = {}

    def client(self, region=None):
        region = region or self.backend.region
        if region not in self.clients:
            self.clients[region] = self.backend.boto(self.principal, region)
        return self.clients[region]

    def call(self, operation, region=None, **parameters):
        answer = getattr(self.client(region), xform_name(operation))(**parameters)
        CALLED.add(operation)
        answer.pop("ResponseMetadata")
        return answer

    def refused(self, code, operation, region=None, **parameters):
        """Returns the message of a call that must be refused with the code."""
        with pytest.raises(ClientError) as e:
            self.call(operation, region, **parameters)
        error = e.value.response["Error"]
        assert error["Code"] == code, error
        assert e.value.response["ResponseMetadata"]["RequestId"]
        return error["Message"]

    def pages(self, operation, member, region=None, **parameters):
        """Returns all items of a list, page by page, and the number of pages."""
        items, pages = [], 0
        while True:
            answer = self.call(operation, region, **parameters)
            items += answer[member]
            pages += 1
            if not answer.get("NextToken"):
                return items, pages
            parameters["NextToken"] = answer["NextToken"]

    def cli(self, *arguments, region=None):
        """Returns the AWS CLI's JSON output, or (code, message) of a refusal."""
        done = subprocess.run(
            [self.backend.aws, self.backend.service, *arguments, "--output", "json"],
            env=self.backend.cli_env(self.principal, region or self.backend.region),
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
        )
        if done.returncode == 0:
            CALLED.add("".join(w.title() for w in arguments[0].split("-")))
            return json.loads(done.stdout or "null")
        text = done.stderr.strip()
        assert "An error occurred (" in text, text
        code = text.split("An error occurred (")[1].split(")")[0]
        return code, text.split(" operation: ", 1)[1]

    def json(self, operation, body=None, region=None, headers=None, method="POST"):
        """Returns status, headers and decoded body of a call through the JSON API."""
        data = None if method == "GET" else (body if isinstance(body, (bytes, str)) else json.dumps(body or {}))
        answer = self.http(method, f"v1/{operation}", data, "application/json", region, headers)
        if answer[0] == 200:
            CALLED.add(operation)
        return answer

    def http(self, method, path, data, content_type, region=None, headers=None, service="execute-api"):
        url = self.backend.endpoint.rstrip("/") + "/" + path
        request = AWSRequest(method, url, data=data, headers={"Content-Type": content_type, **(headers or {})})
        SigV4Auth(Credentials(self.principal.key, self.principal.secret), service, region or self.backend.region).add_auth(request)
        raw = data.encode() if isinstance(data, str) else data
        sent = urllib.request.Request(url, data=raw, headers=dict(request.headers), method=method)
        try:
            with urllib.request.urlopen(sent, timeout=60) as r:
                status, got, content = r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            status, got, content = e.code, e.headers, e.read()
        if "json" in (got.get("Content-Type") or ""):
            content = json.loads(content)
        return status, got, content


class Backend:
    def __init__(self, home, aws):
        self.home = home  # home directory of the CLI, so that it reads and writes none of the user's files
        self.aws = aws  # the CLI
        self.path = os.pathsep.join([str(pathlib.Path(aws).parent), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])

    def config(self):
        return botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False)

    def base_env(self, principal, region):
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": principal.key, "AWS_SECRET_ACCESS_KEY": principal.secret,
            "AWS_DEFAULT_REGION": region, "AWS_MAX_ATTEMPTS": "1",
        }

    def fsck(self):
        """Checks the whole table's invariants."""
        table, endpoint = self.table()
        done = subprocess.run(
            [str(build("cadastre", "./shared/cmd/cadastre")), "fsck", "--table", table, "--dynamodb-endpoint", endpoint],
            env={**os.environ, **self.table_env()}, capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@functools.cache
def build(name, package, *flags):
    """Builds a program, once in a session, and returns its path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    out = BUILD / name
    subprocess.run(["go", "build", *flags, "-o", str(out), package], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return out


def browser_tests(file, **variables):
    """Runs tests of the console's pages in a browser, with variables in their
    environment. They are in functions/console/web/test/real."""
    web = ROOT / "functions" / "console" / "web"
    assert (web / "node_modules").exists() and (web / "dist" / "index.html").exists(), "`make web` installs the packages of the pages and builds them"
    # pytest captures the output, and shows that of a test that fails.
    tests = subprocess.Popen(["npm", "run", "--silent", "real", "--", file], cwd=web, env={**os.environ, "NO_COLOR": "1", **variables},
                             stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        assert tests.wait(600) == 0, f"tests in {file} failed"
    finally:
        try:
            os.killpg(tests.pid, signal.SIGTERM)  # the browser too; the tests have a session of their own
        except ProcessLookupError:
            pass


class Emulator(Backend):
    kind, service = "emulator", "ec2"

    def __init__(self, home, aws):
        super().__init__(home, aws)
        self.endpoint = need("CADASTRE_ENDPOINT")
        self.emulator = need("AWS_ENDPOINT_URL")
        self.table_name = need("CADASTRE_TABLE")
        self.region = os.environ.get("CADASTRE_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        account = os.environ.get("CADASTRE_ACCOUNT", "000000000000")
        key = os.environ.get("AWS_ACCESS_KEY_ID", account)
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "test")
        self.principals = {"admin": Principal("admin", key, secret, account, f"arn:aws:iam::{account}:root")}

        # The emulator starts with default VPCs, which the scheduled discovery
        # would find.
        for region in (network.HOME, *network.REGIONS):
            network.bare(account, region)

    def boto(self, principal, region):
        return boto3.client("ec2", endpoint_url=self.endpoint, region_name=region, config=self.config(),
                            aws_access_key_id=principal.key, aws_secret_access_key=principal.secret)

    def cli_env(self, principal, region):
        return {**self.base_env(principal, region), "AWS_ENDPOINT_URL_EC2": self.endpoint}

    def table(self):
        return self.table_name, self.emulator

    def table_env(self):
        return self.base_env(self.principals["admin"], self.region)

    def start(self):
        pass

    def stop(self):
        pass


class Front(Backend):
    kind, service = "front", "cadastre"
    region = "us-east-1"

    def __init__(self, home, aws):
        super().__init__(home, aws)
        self.dynamo = need("CADASTRE_DYNAMODB_LOCAL_URL")
        owner, other = "111122223333", "444455556666"
        self.principals = {p.name: p for p in [
            Principal("admin", "AKIAADMIN", "admin/secret+1", owner, f"arn:aws:iam::{owner}:user/admin"),
            Principal("allocator", "AKIAALLOCATOR", "allocator", owner, f"arn:aws:sts::{owner}:assumed-role/allocators/pipeline"),
            Principal("reader", "AKIAREADER", "reader", owner, f"arn:aws:sts::{owner}:assumed-role/readers/alice"),
            Principal("nobody", "AKIANOBODY", "nobody", owner, f"arn:aws:iam::{owner}:user/nobody"),
            Principal("stranger", "AKIASTRANGER", "stranger", other, f"arn:aws:iam::{other}:user/admin"),
        ]}
        self.grants = {
            "administrators": [f"arn:aws:iam::{owner}:user/admin", f"arn:aws:iam::{other}:user/admin"],
            "allocators": [f"arn:aws:iam::{owner}:role/allocators"],
            "readers": [f"arn:aws:iam::{owner}:role/readers"],
        }
        # The CLI and boto3 look for added models in ~/.aws/models.
        models = home / ".aws" / "models" / "cadastre" / "2016-11-15"
        models.mkdir(parents=True)
        self.models = home / ".aws" / "models"
        subprocess.run(["go", "run", "./shared/cmd/cadastre", "model", "--file", str(models / "service-2.json")], cwd=ROOT, check=True)

    def boto(self, principal, region):
        session = botocore.session.get_session()
        session.get_component("data_loader").search_paths.append(str(self.models))
        return boto3.Session(botocore_session=session).client(
            "cadastre", endpoint_url=self.endpoint, region_name=region, config=self.config(),
            aws_access_key_id=principal.key, aws_secret_access_key=principal.secret)

    def cli_env(self, principal, region):
        return {**self.base_env(principal, region), "AWS_ENDPOINT_URL": self.endpoint}

    def table(self):
        return self.table_name, self.dynamo

    def table_env(self):
        return self.base_env(Principal("table", "111122223333", "local", "", ""), self.region)

    def start(self):
        """Starts a front on a new table."""
        self.table_name = f"e2e-{uuid.uuid4().hex[:12]}"
        bootstrap = build("bootstrap", "./functions/api", *GO_FLAGS)
        keys = [f"-key={p.key},{p.secret},{p.account},{p.arn}" for p in self.principals.values()]
        self.log = open(BUILD / f"{self.table_name}.log", "w")
        self.process = subprocess.Popen(
            [str(build("sigv4front", "./localstack/sigv4front/cmd/sigv4front")), f"-bootstrap={bootstrap}", f"-dynamodb={self.dynamo}",
             f"-table={self.table_name}", f"-region={self.region}", f"-grants={json.dumps(self.grants)}", *keys],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.endpoint = self.process.stdout.readline().strip()
        assert self.endpoint, f"the front did not start; see {self.log.name}"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(120) == 0, f"the front failed; see {self.log.name}"
        self.log.close()


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    cli = preloaded.Cli(tmp_path_factory.mktemp("cli"), home)
    yield {"emulator": Emulator, "front": Front}[backend_name()](home, cli.command)
    cli.stop()


@pytest.fixture(scope="module")
def backend(installed):
    """The backend for one module. After the module's last test, fsck checks the
    whole table, and the table is emptied."""
    installed.start()
    sweep(installed)
    yield installed
    installed.fsck()
    sweep(installed)
    installed.fsck()
    installed.stop()


def sweep(backend):
    """Deletes all IPAMs and waits until they are gone. The front has no worker, but
    a new table for each module."""
    if backend.kind == "front":
        return
    api = Api(backend, backend.principals["admin"])
    for ipam in api.call("DescribeIpams")["Ipams"]:
        if ipam["State"] != "delete-in-progress":
            api.call("DeleteIpam", IpamId=ipam["IpamId"], Cascade=True)
    until(lambda: api.call("DescribeIpams")["Ipams"] == [], "the IPAMs to be gone")


def until(condition, result, seconds=120):
    """Waits until condition() is true, and fails after the given time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {result}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def api(backend):
    """The API as its administrator calls it."""
    return Api(backend, backend.principals["admin"])


@pytest.fixture(scope="module")
def as_principal(backend):
    return lambda name: Api(backend, backend.principals[name])


@pytest.fixture(scope="module")
def ipam(api):
    """The module's IPAM."""
    return api.call("CreateIpam", Description="e2e", OperatingRegions=[{"RegionName": r} for r in ("ap-northeast-1", "ap-northeast-3")])["Ipam"]


@pytest.fixture
def make_pool(api, ipam):
    """Makes pools, with a CIDR if one is given. After the test the pools are
    emptied and deleted, children first."""
    made = []

    def make(cidr=None, **parameters):
        parameters = {"IpamScopeId": ipam["PrivateDefaultScopeId"], "AddressFamily": "ipv4", **parameters}
        pool = api.call("CreateIpamPool", **parameters)["IpamPool"]["IpamPoolId"]
        made.append(pool)
        if cidr:
            api.call("ProvisionIpamPoolCidr", IpamPoolId=pool, Cidr=cidr)
        return pool

    yield make
    for pool in reversed(made):
        remove_pool(api, pool)


def remove_pool(api, pool):
    try:
        cidrs = api.call("GetIpamPoolCidrs", IpamPoolId=pool)["IpamPoolCidrs"]
    except ClientError as e:
        assert e.response["Error"]["Code"] == "InvalidIpamPoolId.NotFound"
        return
    for a in api.pages("GetIpamPoolAllocations", "IpamPoolAllocations", IpamPoolId=pool)[0]:
        if a["ResourceType"] == "custom":
            api.call("ReleaseIpamPoolAllocation", IpamPoolId=pool, Cidr=a["Cidr"], IpamPoolAllocationId=a["IpamPoolAllocationId"])
    for c in cidrs:
        if c["State"] in ("provisioned", "failed-deprovision"):
            assert api.call("DeprovisionIpamPoolCidr", IpamPoolId=pool, Cidr=c["Cidr"])["IpamPoolCidr"]["State"] == "deprovisioned"
    api.call("DeleteIpamPool", IpamPoolId=pool)
