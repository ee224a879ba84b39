"""Stopping and killing: what was acknowledged is there afterwards, and so are offsets, ids and groups."""

import contextlib
import signal
import subprocess
import threading

import pytest
from clients import IS_3, admin, consumer, poll_until, producer, read, read_to_end, send_all
from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError
from kindred_process import clean_environment

pytestmark = pytest.mark.own_broker


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGKILL"])
def test_records_offsets_and_topics_survive(own, stop):
    manager = admin(own)
    manager.create_topics([NewTopic("kept", 3, 1, topic_configs={"retention.ms": "86400000"})])
    manager.close()
    sender = producer(own, acks="all")
    for partition in range(3):
        send_all(sender, "kept", [f"{partition}-{i}".encode() for i in range(20)], partition=partition)
    sender.close()
    first = consumer(own, "kept", group_id="group", max_poll_records=10)
    seen = poll_until(first, lambda records: len(records) >= 20)
    first.commit()
    first.close()

    if stop == "SIGTERM":
        assert own.terminate() == 0
    else:
        own.kill()
    own.start()

    for partition in range(3):
        assert [record.value for record in read_to_end(own, "kept", partition)] == [
            f"{partition}-{i}".encode() for i in range(20)
        ]
    second = consumer(own, "kept", group_id="group")
    rest = poll_until(second, lambda records: len(records) >= 60 - len(seen))
    second.close()
    assert sorted(r.value for r in seen + rest) == sorted(
        f"{p}-{i}".encode() for p in range(3) for i in range(20)
    )
    sender = producer(own)
    assert send_all(sender, "kept", [b"next"], partition=0) == [20]
    sender.close()


def test_clients_ride_over_a_restart(own):
    """A producer and a consumer that were connected go on by themselves."""
    sender = producer(
        own, retries=50, retry_backoff_ms=100, **({"delivery_timeout_ms": 60_000} if IS_3 else {})
    )
    reader = consumer(own, "ride", group_id="riders")
    send_all(sender, "ride", [b"before"])
    assert [r.value for r in poll_until(reader, lambda records: records)] == [b"before"]
    assert own.terminate() == 0
    own.start()
    assert send_all(sender, "ride", [b"after"]) == [1]
    assert [r.value for r in poll_until(reader, lambda records: records)] == [b"after"]
    sender.close()
    reader.close()


def test_nothing_acknowledged_is_lost_by_kill_9_under_load(own):
    """A producer sends without pause while the broker is killed and restarted three times."""
    acknowledged = []
    stop = threading.Event()
    failures = []

    def load():
        number = 0
        # Without retries a failed send stays failed, so that each number was sent by one call only.
        while not stop.is_set():
            sender = None
            try:
                sender = producer(
                    own, acks="all", max_block_ms=2000, request_timeout_ms=3000, retries=0, **plain()
                )
                while not stop.is_set():
                    batch = []
                    for _ in range(50):
                        batch.append((number, sender.send("ledger", value=str(number).encode(), partition=0)))
                        number += 1
                    for sent, future in batch:
                        acknowledged.append((sent, future.get(timeout=5).offset))
            except Exception as error:  # the broker was killed under us: reconnect and go on
                failures.append(error)
            finally:
                if sender is not None:
                    # What is still unsent then was not acknowledged; kafka-python 3 says so by raising.
                    with contextlib.suppress(KafkaTimeoutError):
                        sender.close(timeout=0)

    worker = threading.Thread(target=load, daemon=True)
    worker.start()
    for _ in range(3):
        before = len(acknowledged)
        deadline = threading.Event()
        while len(acknowledged) < before + 500:
            assert not deadline.wait(0.01)
            assert worker.is_alive(), failures[-1:]
        own.kill()
        own.start()
    before = len(acknowledged)
    while len(acknowledged) < before + 100:
        assert worker.is_alive(), failures[-1:]
        threading.Event().wait(0.01)
    stop.set()
    worker.join(30)
    assert not worker.is_alive()

    stored = {record.offset: record.value for record in read_to_end(own, "ledger")}
    assert sorted(stored) == list(range(len(stored))), "offsets are dense"
    lost = [(number, offset) for number, offset in acknowledged if stored.get(offset) != str(number).encode()]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records lost, first {lost[:3]}"


def plain():
    return {"enable_idempotence": False} if IS_3 else {}


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_stops_while_clients_are_connected(own, with_signal):
    sender = producer(own)
    send_all(sender, "busy", [b"v"])
    reader = consumer(own, "busy", group_id="busy", fetch_max_wait_ms=30_000, request_timeout_ms=60_000)
    poll_until(reader, lambda records: records)
    reader.poll(timeout_ms=200)  # leaves a long poll in flight
    assert own.terminate(with_signal) == 0
    sender.close(timeout=0)
    own.start()
    reader.close()
    assert [r.value for r in read(own, "busy", 1)] == [b"v"]


def test_a_second_process_on_the_same_directory_is_refused(own):
    before = own.log_text()
    second = subprocess.run(
        [
            own.binary,
            "serve",
            "--set",
            "listeners=PLAINTEXT://127.0.0.1:0",
            "--set",
            "http.listen=127.0.0.1:0",
        ]
        + ["--set", f"log.dirs={own.data}"],
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(),
    )
    assert second.returncode == 2
    said = [line for line in second.stderr.splitlines() if line.strip()]
    assert len(said) == 1 and str(own.data) in said[0], second.stderr
    # The first one noticed nothing.
    assert own.log_text() == before
    sender = producer(own)
    assert send_all(sender, "still-here", [b"v"]) == [0]
    sender.close()
