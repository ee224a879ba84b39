"""kafka-python with limits on every wait, and one face for what 2.0 and 3.0 call by different names."""

import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

VERSION = tuple(int(part) for part in kafka.__version__.split("."))
IS_3 = VERSION >= (3,)

# How long anything may take on a busy machine; what is waited for normally takes milliseconds.
PATIENCE_S = 30
# How long one poll may take. kafka-python 3.0 loses an assignment that arrives just after a poll has given up, and
# is then in a group without knowing it; it rejoins some 100 ms after it started, so polls are a good deal longer.
POLL_MS = 1000


def producer(broker, **config):
    return KafkaProducer(bootstrap_servers=broker.bootstrap, **{"max_block_ms": PATIENCE_S * 1000, **config})


def consumer(broker, *topics, **config):
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return KafkaConsumer(*topics, bootstrap_servers=broker.bootstrap, **{**defaults, **config})


def admin(broker):
    return KafkaAdminClient(bootstrap_servers=broker.bootstrap)


def send_all(a_producer, topic, values, **fields):
    """Sends all, waits for every acknowledgement, returns the offsets in order."""
    futures = [a_producer.send(topic, value=value, **fields) for value in values]
    return [future.get(timeout=PATIENCE_S).offset for future in futures]


def poll_until(a_consumer, enough, patience_s=PATIENCE_S):
    """Polls until `enough(records so far)` and returns the records in the order they came."""
    records = []
    deadline = time.monotonic() + patience_s
    while not enough(records):
        assert (
            time.monotonic() < deadline
        ), f"gave up after {patience_s} s with {len(records)} records: {records[-3:]}"
        for batch in a_consumer.poll(timeout_ms=POLL_MS).values():
            records.extend(batch)
    return records


def read(broker, topic, count, partition=0, **config):
    """The first `count` records of a partition, read without a group."""
    a_consumer = consumer(broker, **config)
    try:
        a_consumer.assign([TopicPartition(topic, partition)])
        return poll_until(a_consumer, lambda records: len(records) >= count)
    finally:
        a_consumer.close()


def read_to_end(broker, topic, partition=0):
    """Every record from the beginning to what the end is now."""
    a_consumer = consumer(broker)
    try:
        tp = TopicPartition(topic, partition)
        a_consumer.assign([tp])
        end = a_consumer.end_offsets([tp])[tp]
        records = []
        deadline = time.monotonic() + PATIENCE_S
        while a_consumer.position(tp) < end:
            assert time.monotonic() < deadline, f"stuck at {a_consumer.position(tp)} of {end}"
            for batch in a_consumer.poll(timeout_ms=POLL_MS).values():
                records.extend(batch)
        return records
    finally:
        a_consumer.close()


def eventually(check, patience_s=PATIENCE_S):
    """Calls `check` until it returns something true, and returns that."""
    deadline = time.monotonic() + patience_s
    while True:
        result = check()
        if result:
            return result
        assert time.monotonic() < deadline, f"gave up after {patience_s} s; the last answer was {result!r}"
        time.sleep(0.05)
