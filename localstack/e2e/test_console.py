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


def test_calls_that_no_page_of_the_console_makes(console, api, ipam):
    """With an open session. shared/console has all rows."""
    c = console("admin")
    assert c.open() == 303
    body = json.dumps({"IpamId": ipam["IpamId"], "Description": "foreign"})
    own = {"Host": c.link.netloc, "Origin": f"http://{c.link.netloc}", "Content_Type": "application/json", "X_Cadastre_Console": "1"}
    for name, status, change in (
        ("DNS rebinding", 403, {"Host": "rebound.example", "Origin": "http://rebound.example"}),
        ("a rebound name with the port", 403, {"Host": f"rebound.example:{c.link.port}", "Origin": f"http://rebound.example:{c.link.port}"}),
        ("a foreign origin", 403, {"Origin": "https://evil.example"}),
        ("another server of this machine", 403, {"Origin": "http://127.0.0.1:1"}),
        ("no origin", 403, {"Origin": None}),
        ("no header of pages", 403, {"X_Cadastre_Console": None}),
        ("a form", 415, {"Content_Type": "text/plain"}),
    ):
        headers = {k: v for k, v in (own | change).items() if v is not None}
        got, answer, _ = c.request("POST", "/v1/CreateIpamScope", body, **headers)
        assert got == status and json.loads(answer)["Code"], (name, got, answer)
    for path in ("/session", "/", f"/?{c.link.query}"):
        assert c.request("GET", path, Host="rebound.example")[0] == 403, path
    cookie, c.cookie = c.cookie, None
    for token in ("", "token=", "token=" + "A" * 26, c.link.query):  # the link has been used
        got, answer, headers = c.request("GET", f"/?{token}")
        assert (got, headers["Set-Cookie"]) == (403 if token else 200, None), (token, answer)
    assert c.request("POST", "/v1/CreateIpamScope", body, **own)[0] == 401
    assert len(api.call("DescribeIpamScopes")["IpamScopes"]) == 2
    c.cookie = cookie
    assert c.request("POST", "/v1/DescribeIpamScopes", "{}", **own)[0] == 200


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
