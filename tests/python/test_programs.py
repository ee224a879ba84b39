"""The programs that people write first, run as they are written, in interpreters of their own.

They say localhost:9092. Where that port is taken, the address, and nothing else, is replaced.
`localhost` may mean ::1 first: the clients must get through all the same.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from clients import consumer, eventually, read
from kafka import TopicPartition

PROGRAMS = Path(__file__).parent / "programs"
WRITTEN_ADDRESS = "localhost:9092"


def run(name, tmp_path, port):
    """Runs a program and returns what it printed; its errors fail the test."""
    text = (PROGRAMS / name).read_text()
    assert WRITTEN_ADDRESS in text
    path = tmp_path / name
    path.write_text(text.replace(WRITTEN_ADDRESS, f"localhost:{port}"))
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def port_of(broker):
    return int(broker.bootstrap.rsplit(":", 1)[1])


def is_free(port):
    """Free on both loopbacks: a program that says localhost could reach either."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if family == socket.AF_INET or error.errno == 98:
                return False
    return True


@pytest.mark.own_broker
def test_hello_is_sent_read_and_committed(own, tmp_path):
    sent = run("send_hello.py", tmp_path, port_of(own))
    assert sent == [f"recommendation 0 {offset}" for offset in range(10)]
    seen = run("read_hello.py", tmp_path, port_of(own))
    assert seen == ["position 0", *(f"{offset} b'hello'" for offset in range(10)), "position 10"]
    reader = consumer(own, group_id="test")
    try:
        assert reader.committed(TopicPartition("recommendation", 0)) == 10
    finally:
        reader.close()


@pytest.mark.own_broker
def test_hello_on_the_port_it_names(start_broker, tmp_path):
    if not is_free(9092):
        pytest.skip("port 9092 is taken on this machine; the same programs ran on another port")
    start_broker(kafka_port=9092)
    assert len(run("send_hello.py", tmp_path, 9092)) == 10
    assert run("read_hello.py", tmp_path, 9092)[-1] == "position 10"


@pytest.mark.own_broker
@pytest.mark.parametrize("program", ["send_click.py", "send_click_as_text.py"])
def test_a_click_reaches_the_recommender(own, tmp_path, program):
    from test_http import get

    run(program, tmp_path, port_of(own))
    record = read(own, "user_behavior", 1)[0]
    assert record.value[:1] == b"{"
    hot = eventually(
        lambda: [item for item in get(own, "/api/v1/hot")[1]["items"] if item["item_id"] == "1001"]
    )
    assert hot[0]["count"] == 1
    if program == "send_click.py":
        assert json.loads(record.value) == {"user_id": 1, "item_id": 1001, "action": "click"}
