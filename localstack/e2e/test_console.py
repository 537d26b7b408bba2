"""`cadastre console` against the deployment: the pages' calls are signed with the caller's
credentials, and Cadastre decides on them. shared/console tests the server's own checks."""

import http.client
import json
import re
import subprocess
import urllib.parse

import pytest

from conftest import build, ROOT

PAGES = ROOT / "functions" / "console" / "web" / "dist" / "index.html"


class Console:
    """The program, and a browser's calls with its session."""

    def __init__(self, backend, principal, log):
        self.log = log
        self.process = subprocess.Popen(
            [str(build("cadastre", "./shared/cmd/cadastre")), "console", "--endpoint", backend.endpoint, "--region", backend.region],
            env=backend.base_env(principal, backend.region), stdout=subprocess.PIPE, stderr=open(log, "w"), text=True)
        printed = re.match(r"The console is at (http://\S+)", self.process.stdout.readline())
        assert printed, log.read_text()
        self.link = urllib.parse.urlsplit(printed[1])
        self.cookie = None

    def request(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection(self.link.netloc, timeout=60)
        if self.cookie:
            headers["Cookie"] = self.cookie
        c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = c.getresponse()
        return answer.status, answer.read().decode(), answer.headers

    def open(self):
        status, _, headers = self.request("GET", f"/?{self.link.query}")
        if headers["Set-Cookie"]:
            self.cookie = headers["Set-Cookie"].split(";")[0]
        return status

    def call(self, operation, **members):
        status, body, headers = self.request(
            "POST", f"/v1/{operation}", json.dumps(members), Origin=f"http://{self.link.netloc}", Content_Type="application/json", X_Cadastre_Console="1")
        return status, json.loads(body), headers["X-Cadastre-Error-Code"]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(40) == 0, self.log.read_text()


@pytest.fixture
def console(backend, tmp_path):
    """Starts consoles: console(PRINCIPAL) returns one with an open session."""
    assert PAGES.exists(), "`make web` builds the pages"
    started = []

    def start(name):
        started.append(Console(backend, backend.principals[name], tmp_path / f"console-{len(started)}.log"))
        return started[-1]

    yield start
    for c in started:
        c.stop()


def test_an_administrator_in_the_console(console, ipam):
    c = console("admin")
    assert c.call("DescribeIpams")[0] == 401
    assert c.open() == 303 and c.request("GET", "/")[0] == 200
    status, listed, _ = c.call("DescribeIpams")
    assert status == 200 and [i["IpamId"] for i in listed["Ipams"]] == [ipam["IpamId"]]
    status, refused, code = c.call("DescribeIpamPools", IpamPoolIds=["ipam-pool-00000000000000000"])
    assert (status, refused["Code"], code) == (400, "InvalidIpamPoolId.NotFound", None)
    assert c.open() == 303  # the same browser
    c.cookie = None
    assert c.open() == 403  # another one


@pytest.mark.front
def test_each_class_does_its_own(backend, console, ipam, make_pool):
    pool = make_pool("10.0.0.0/16")
    wanted = {"reader": (200, 403, 403), "allocator": (200, 200, 403), "admin": (200, 200, 200)}
    for name, (read, allocate, administer) in wanted.items():
        c = console(name)
        assert c.open() == 303
        status, body, _ = c.request("GET", "/session")
        session = json.loads(body)
        assert status == 200 and session["Class"] == {"reader": "read", "allocator": "allocate", "admin": "administer"}[name], body
        assert session["Name"] == backend.principals[name].arn and session["Region"] == backend.region and session["Hosted"] is False
        assert c.call("DescribeIpamPools")[0] == read, name
        assert c.call("AllocateIpamPoolCidr", IpamPoolId=pool, NetmaskLength=24)[0] == allocate, name
        status, body, _ = c.call("ModifyIpam", IpamId=ipam["IpamId"], Description=name)
        assert status == administer, body
        if administer != 200:
            assert body["Code"] == "UnauthorizedOperation"


@pytest.mark.front
def test_a_caller_without_a_class_sees_the_reason(console):
    c = console("nobody")
    assert c.open() == 303
    status, body, _ = c.call("DescribeIpams")
    assert status == 403 and body["Code"] == "UnauthorizedOperation"
