"""Kafka Connect, distributed: a file source and a file sink, stopped and started again in between.

Usage: check_connect.py DIRECTORY_OF_JARS BOOTSTRAP
"""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE_S = 90
jars, bootstrap = sys.argv[1:3]
scratch = tempfile.mkdtemp()
name = f"connect-{os.getpid()}"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


port = free_port()
lines, copied, log = (os.path.join(scratch, file) for file in ("lines", "copied", "log"))


def eventually(check, what):
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.2)


def ask(method, path, body=None):
    """None if the worker does not answer yet, or answers that it cannot now."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")
    except (OSError, urllib.error.HTTPError):
        return None


def start_worker():
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": name,
        "listeners": f"http://127.0.0.1:{port}",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "plugin.discovery": "service_load",
        "offset.flush.interval.ms": "500",
        "exactly.once.source.support": "enabled",
        **{f"{kind}.storage.topic": f"{name}-{kind}" for kind in ("config", "offset", "status")},
        **{f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")},
        "offset.storage.partitions": "5",
        "status.storage.partitions": "1",
    }
    properties = os.path.join(scratch, "worker.properties")
    with open(properties, "w") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings.items())
    command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    command += ["-cp", f"{jars}/*", "org.apache.kafka.connect.cli.ConnectDistributed", properties]
    with open(log, "ab") as file:
        worker = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    eventually(lambda: worker.poll() is not None or ask("GET", "/connectors") is not None, "the worker")
    assert worker.poll() is None, "the worker ended"
    return worker


def create(kind, connector, **config):
    body = {"name": f"{name}-{kind}", "config": {"connector.class": connector, "tasks.max": "1", **config}}
    eventually(lambda: ask("POST", "/connectors", body) or ask("GET", f"/connectors/{name}-{kind}"), kind)


def running(kind):
    status = ask("GET", f"/connectors/{name}-{kind}/status")
    return status and [task["state"] for task in status["tasks"]] == ["RUNNING"]


def copies(expected):
    def same():
        with open(copied, "a+") as file:
            file.seek(0)
            return file.read() == expected

    eventually(same, "the copy")


def policies():
    """The worker made its three topics compacted."""
    described = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
        + ["-cp", f"{jars}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", bootstrap]
        + ["--describe", "--topic", f"{name}-.*"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    ).stdout
    for kind, partitions in (("config", 1), ("offset", 5), ("status", 1)):
        line = next(one for one in described.splitlines() if one.startswith(f"Topic: {name}-{kind}"))
        assert f"PartitionCount: {partitions}" in line and "cleanup.policy=compact" in line, line


def check():
    worker = start_worker()
    try:
        with open(lines, "w") as file:
            file.writelines(f"line {i}\n" for i in range(1000))
        classes = "org.apache.kafka.connect.file.FileStream%sConnector"
        create("source", classes % "Source", file=lines, topic=f"{name}-lines")
        create("sink", classes % "Sink", file=copied, topics=f"{name}-lines")
        eventually(lambda: running("source") and running("sink"), "the tasks")
        copies("".join(f"line {i}\n" for i in range(1000)))
        policies()
        worker.terminate()
        worker.wait(PATIENCE_S)
        # What comes while it is down is copied once it is back, and nothing twice.
        with open(lines, "a") as file:
            file.writelines(f"line {i}\n" for i in range(1000, 1100))
        worker = start_worker()
        copies("".join(f"line {i}\n" for i in range(1100)))
        for kind in ("source", "sink"):
            ask("DELETE", f"/connectors/{name}-{kind}")
    finally:
        worker.kill()
        worker.wait()


(runtime,) = glob.glob(f"{jars}/connect-runtime-*.jar")
print(f"  client Apache Kafka Connect {re.search(r'-([0-9.]+).jar', runtime)[1]}")
try:
    check()
except BaseException:
    with open(log) as file:
        print("".join(file.readlines()[-40:]))
    raise
finally:
    shutil.rmtree(scratch, ignore_errors=True)
for scenario in ("topics: its own three, compacted", "resume", "idempotence", "transactions: commits only"):
    print(f"  ok {scenario}")
print("  also a file source with exactly-once support and a file sink, across a restart of the worker")
others = "codecs keys headers nulls large rebalance consumer_protocol admin transactional_offsets times delete_records"
for scenario in others.split():
    print(f"  no {scenario}: it is a program of its own, on top of kafka-clients")
