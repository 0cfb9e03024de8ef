"""A plugin of pytest that runs moto's own tests against the local cloud, and compares what fails with a list.

    python -m pytest -p local_cloud tests/test_s3 …

Run it in the unpacked source distribution of moto, with this folder in `PYTHONPATH`, and with these variables:

    LOCAL_CLOUD   the program
    MOTO_FLOOR    how many tests have to pass that asked the local cloud something

`mock_aws` does nothing. Every test gets a local cloud of its own, in the region of its first client. Where a test gives
a role a trust policy that is a placeholder, or a path without slashes, it gives what AWS demands.

A test that fails must be on the list `expected-failures.txt`, and a test on the list must fail. Three kinds of failures
need no line, because the wire shows them:

- the local cloud answered 501 before the failure: the test needs what is not offered;
- the test signed for another region than that of its local cloud, which has only one;
- the test sent no request to the local cloud: it tests moto's own parts.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import botocore.auth
import botocore.session
import freezegun.api
import moto
import pytest
import urllib3.connectionpool

ACCOUNT = moto.core.DEFAULT_ACCOUNT_ID
KEY = "test"
LIST = pathlib.Path(__file__).with_name("expected-failures.txt")
KINDS = {"not offered", "moto unlike AWS", "fault", "chance"}
# Services that one endpoint serves for all regions.
GLOBAL = {"iam", "sts"}
# What moto's own helpers ask while they clean up: an answer of 501 to it says nothing about the test.
CLEANUP = re.compile(r"GET /[^/?]+\?object-lock$")
SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/|X-Amz-Credential=[^%]+%2F\d+%2F(.+?)%2F(.+?)%2F")


# A trust policy for roles whose own one is a placeholder.
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Nothing(contextlib.ContextDecorator):
    """`mock_aws` in all its forms."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def start(self, **_):
        pass

    def stop(self, **_):
        pass


def _mock_aws(func=None, config=None):
    return Nothing() if func is None else func


def _real_time(remove_tzinfo=True):
    """The time of signatures: AWS refuses those of a frozen clock."""
    now = freezegun.api.real_datetime.now(freezegun.api.datetime.timezone.utc)
    return now.replace(tzinfo=None) if remove_tzinfo else now


def _mend_role(params, **_):
    """Gives `CreateRole` a policy and a path that AWS takes, where the test's are placeholders."""
    document = params.get("AssumeRolePolicyDocument", "")
    try:
        is_policy = "Statement" in json.loads(document)
    except (TypeError, ValueError):
        is_policy = False
    if not is_policy:
        params["AssumeRolePolicyDocument"] = json.dumps(TRUST)
    if params.get("Path", "/")[:1] != "/":
        params["Path"] = f"/{params['Path']}/"


class World:
    """The local cloud of one test, and what it was asked."""

    def __init__(self):
        self.process = self.url = self.region = self.folder = None
        self.asked, self.absent = 0, []

    def start(self, region):
        self.folder, self.region = tempfile.mkdtemp(), region
        keys = {"LOCAL_CLOUD_ACCESS_KEY_ID": KEY, "LOCAL_CLOUD_SECRET_ACCESS_KEY": KEY}
        command = [os.environ["LOCAL_CLOUD"], "--state", self.folder, "--account", ACCOUNT, "--region", region]
        self.process = subprocess.Popen(command, env={**os.environ, **keys}, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"the local cloud did not start: {line}"
        self.url = line.split()[-1]

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def saw(self, method, path, headers, answer):
        """Notes a request and its answer."""
        self.asked += 1
        authorization = (headers or {}).get("Authorization") or b""
        scope = authorization if isinstance(authorization, str) else authorization.decode()
        found = SCOPE.search(scope) or SCOPE.search(path)
        region, service = [it for it in found.groups() if it] if found else (self.region, None)
        if answer.status == 501 and not CLEANUP.match(f"{method} {path}"):
            self.absent.append("not offered")
        elif region != self.region and service not in GLOBAL and answer.status >= 400:
            self.absent.append("another region")


class Clients:
    """Leads every client to the local cloud of the test that makes it."""

    def __init__(self):
        self.world = World()
        self.create_client = botocore.session.Session.create_client
        self.urlopen = urllib3.connectionpool.HTTPConnectionPool.urlopen

    def install(self):
        clients = self

        def create_client(session, service_name, region_name=None, *arguments, **members):
            if members.get("endpoint_url") is None and not (arguments and len(arguments) > 3 and arguments[3]):
                region = region_name or session.get_config_variable("region") or "us-east-1"
                if clients.world.process is None:
                    clients.world.start(region if re.fullmatch(r"[a-z]+(-[a-z]+)+-\d", region) else "us-east-1")
                members["endpoint_url"] = clients.world.url
                arguments = arguments[:3]
            client = clients.create_client(session, service_name, region_name, *arguments, **members)
            if service_name == "iam":
                client.meta.events.register("provide-client-params.iam.CreateRole", _mend_role)
            return client

        def urlopen(pool, method, url, body=None, headers=None, *arguments, **members):
            answer = clients.urlopen(pool, method, url, body, headers, *arguments, **members)
            if f"{pool.scheme}://{pool.host}:{pool.port}" == clients.world.url:
                clients.world.saw(method, url, headers, answer)
            return answer

        botocore.session.Session.create_client = create_client
        urllib3.connectionpool.HTTPConnectionPool.urlopen = urlopen


CLIENTS = Clients()
# Before pytest reads any `conftest.py`, which imports it.
moto.mock_aws = moto.core.decorator.mock_aws = _mock_aws


def pytest_configure(config):
    variables = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    os.environ.update(variables)
    botocore.auth.get_current_datetime = _real_time
    CLIENTS.install()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Judge(int(os.environ["MOTO_FLOOR"])), "judge")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    CLIENTS.world = World()
    try:
        return (yield)
    finally:
        CLIENTS.world.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    world = CLIENTS.world
    report.wire = {"asked": world.asked, "absent": world.absent[:1]}
    report.why = "" if call.excinfo is None else call.excinfo.exconly().strip()[:2000]
    return report


class Judge:
    """Compares the outcomes of all tests with the list."""

    def __init__(self, floor):
        self.floor, self.outcomes, self.collected = floor, {}, []

    def pytest_collectreport(self, report):
        if report.failed:
            self.collected.append(str(report.longrepr)[-2000:])

    def pytest_runtest_logreport(self, report):
        """Keeps the first failure of the phases of a test, or what its call was."""
        before = self.outcomes.get(report.nodeid)
        if before is None or before[0] != "failed":
            if report.when == "call" or report.outcome != "passed":
                self.outcomes[report.nodeid] = (report.outcome, report.wire, report.why)

    def verdicts(self):
        """Each test's verdict: passed, skipped, failed, or a kind of failure that the wire shows."""
        for test, (outcome, wire, why) in self.outcomes.items():
            if outcome == "failed" and wire["absent"]:
                yield test, wire["absent"][0], why
            elif outcome != "skipped" and not wire["asked"]:
                yield test, "asks nothing", why
            else:
                yield test, outcome, why

    def pytest_sessionfinish(self, session):
        listed, wrong = _listed()
        verdicts = list(self.verdicts())
        for test, verdict, why in verdicts:
            if listed.get(test, ("",))[0] == "chance":
                continue
            if verdict == "failed" and test not in listed:
                wrong.append(f"{test} fails, and is not on the list:\n    {why}")
            elif verdict != "failed" and test in listed:
                wrong.append(f"{test} is on the list, and needs no line: {verdict}")
        ran = {test for test, _, _ in verdicts}
        wrong += [f"{test} is on the list, and there is no such test" for test in listed.keys() - ran]
        wrong += self.collected
        counts = collections.Counter(verdict for _, verdict, _ in verdicts)
        if counts["passed"] < self.floor:
            wrong.append(f"{counts['passed']} tests passed that asked the local cloud something, fewer than {self.floor}")
        self.wrong, self.told = wrong, _told(counts, listed)
        session.exitstatus = 1 if wrong else 0

    def pytest_terminal_summary(self, terminalreporter):
        for line in [*sorted(self.wrong), self.told]:
            terminalreporter.write_line(line)


def _told(counts, listed):
    kinds = collections.Counter(kind for kind, _ in listed.values())
    by_wire = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()) if verdict != "failed")
    by_list = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{counts.total()} tests: {by_wire}; {counts['failed']} failed, on the list: {by_list or 'none'}"


def _listed():
    """The list by test, as kind and reason, and what is wrong with it."""
    listed, wrong = {}, []
    for at, line in enumerate(LIST.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        test, kind, reason = [*(part.strip() for part in line.rsplit(" | ", 2)), "", ""][:3]
        if kind not in KINDS or not reason or test in listed:
            wrong.append(f"line {at} of `{LIST.name}` is not `TEST | KIND | REASON`, or names a test again: {line}")
        listed[test] = (kind, reason)
    return listed, wrong
