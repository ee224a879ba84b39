"""Fixtures: a broker shared by the tests of a session, brokers of one's own, unique names.

KINDRED_BINARY names the program under test. With KINDRED_TEST_BOOTSTRAP the suite runs against another broker
instead (Apache Kafka, say): that is how the tests themselves are tested.
"""

import itertools
import os

import pytest
from kindred_process import KindredProcess

# Quick emission keeps the recommender tests short; everything else is the default configuration.
SETTINGS = {"recommender.emit.interval.ms": "50"}

_numbers = itertools.count(1)


class ElsewhereBroker:
    """Some other broker that the suite is pointed at."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap


def pytest_collection_modifyitems(items):
    if "KINDRED_TEST_BOOTSTRAP" in os.environ:
        skip = pytest.mark.skip(
            reason="needs the real binary, and KINDRED_TEST_BOOTSTRAP names another broker"
        )
        for item in items:
            if "own_broker" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def binary():
    return os.environ["KINDRED_BINARY"]


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One broker for all tests that only need topics and groups of their own."""
    if "KINDRED_TEST_BOOTSTRAP" in os.environ:
        yield ElsewhereBroker(os.environ["KINDRED_TEST_BOOTSTRAP"])
        return
    process = KindredProcess(
        os.environ["KINDRED_BINARY"], tmp_path_factory.mktemp("shared"), SETTINGS
    ).start()
    yield process
    process.close()


@pytest.fixture
def start_broker(binary, tmp_path):
    """Starts brokers of the test's own; `start_broker("a")` always means the directory `a`."""
    brokers = []

    def start(name="broker", settings=None, kafka_port=0):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        brokers.append(KindredProcess(binary, directory, {**SETTINGS, **(settings or {})}, kafka_port))
        return brokers[-1].start()

    yield start
    for process in brokers:
        process.close()


@pytest.fixture
def own(start_broker):
    """A broker of the test's own, on an empty directory."""
    return start_broker()


@pytest.fixture
def unique():
    """Makes names that no other test uses."""
    return lambda prefix: f"{prefix}-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def closing():
    """Closes clients in reverse order at the end of the test, passed or failed."""
    clients = []

    def remember(client):
        clients.append(client)
        return client

    yield remember
    for client in reversed(clients):
        client.close()
