"""pykafka with the protocol of 0.9 and of 0.10: hard-coded versions, magic 0 and magic 1 messages."""

import sys
from importlib.metadata import version

from pykafka import KafkaClient
from pykafka.common import CompressionType, OffsetType
from scenario import LARGE, ODD, bootstrap, eventually, name, run, same, values

broker_version = sys.argv[2]
client = KafkaClient(hosts=bootstrap, broker_version=broker_version)


def created(stem):
    """Asking for a topic creates it."""
    return client.topics[name(stem)]


def send(topic, *pairs):
    with topic.get_sync_producer(max_request_size=2_000_000, linger_ms=20) as producer:
        for key, value in pairs:
            producer.produce(value, partition_key=key)


def consumer(topic, **config):
    config = {"auto_offset_reset": OffsetType.EARLIEST, "consumer_timeout_ms": 20_000, **config}
    return topic.get_simple_consumer(**config)


def read(topic, count, **config):
    reader = consumer(topic, **config)
    messages = [reader.consume() for _ in range(count)]
    reader.stop()
    return messages


def codecs():
    names = {"none": CompressionType.NONE, "gzip": CompressionType.GZIP, "snappy": CompressionType.SNAPPY}
    for codec, number in names.items():
        topic = created(codec)
        with topic.get_producer(compression=number, linger_ms=20) as producer:
            for value in values(codec):
                producer.produce(value)
        same([(m.offset, m.value) for m in read(topic, 100)], list(enumerate(values(codec))))
    return ", ".join(names)


def keys():
    topic = created("keys")
    send(topic, (b"k", b"1"), (b"", b"2"), (None, b"3"))
    same([(m.partition_key, m.value) for m in read(topic, 3)], [(b"k", b"1"), (b"", b"2"), (None, b"3")])


def nulls():
    topic = created("nulls")
    send(topic, *ODD)
    same([(m.partition_key, m.value) for m in read(topic, len(ODD))], ODD)


def large():
    topic = created("large")
    send(topic, (None, LARGE))
    same(read(topic, 1, fetch_message_max_bytes=2_000_000)[0].value, LARGE)


def resume():
    topic, group = created("resume"), name("resume")
    send(topic, *((None, value) for value in values("resume", 10)))
    for expected in (values("resume", 10)[:4], values("resume", 10)[4:]):
        reader = consumer(topic, consumer_group=group)
        same([reader.consume().value for _ in expected], expected)
        reader.commit_offsets()
        reader.stop()


def rebalance():
    # Each topic has one partition, which pykafka cannot change: the group hands it on.
    topic, group = created("rebalance"), name("rebalance")
    send(topic, (None, b"1"))
    config = {
        "managed": True,
        "auto_offset_reset": OffsetType.EARLIEST,
        "consumer_timeout_ms": 20_000,
        "heartbeat_interval_ms": 500,
    }
    members = [topic.get_balanced_consumer(group, **config) for _ in range(2)]
    eventually(lambda: sorted(len(one.partitions or ()) for one in members) == [0, 1])
    other, owner = sorted(members, key=lambda one: len(one.partitions or ()))
    same(owner.consume().value, b"1")
    owner.commit_offsets()
    owner.stop()
    eventually(lambda: len(other.partitions or ()) == 1)
    send(topic, (None, b"2"))
    same(other.consume().value, b"2")
    other.stop()
    return "one partition, handed from one member to the other"


run(
    f"pykafka {version('pykafka')} as {broker_version}",
    [codecs, keys, nulls, large, resume, rebalance],
    {
        "it has no call for it": [
            "topics",
            "headers",
            "consumer_protocol",
            "admin",
            "idempotence",
            "transactions",
            "transactional_offsets",
            "delete_records",
        ],
        "it asks only for whole segments before a time": ["times"],
    },
)
