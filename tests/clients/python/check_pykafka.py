"""pykafka with the protocol of 0.9 and of 0.10: hard-coded versions, magic 0 and magic 1 messages."""

import sys

from pykafka import KafkaClient
from pykafka.common import CompressionType, OffsetType
from scenario import bootstrap, name, run, same, values

broker_version = sys.argv[2]
client = KafkaClient(hosts=bootstrap, broker_version=broker_version)


def topic_named(stem):
    # pykafka wants topic names as bytes or str by version; asking for one creates it.
    return client.topics[name(f"{broker_version}-{stem}")]


def send_and_read_every_codec():
    for codec in (CompressionType.NONE, CompressionType.GZIP):
        topic = topic_named(f"codec-{codec}")
        with topic.get_producer(compression=codec, linger_ms=20) as producer:
            for value in values(str(codec)):
                producer.produce(value, partition_key=b"key")
        consumer = topic.get_simple_consumer(
            consumer_timeout_ms=10_000, auto_offset_reset=OffsetType.EARLIEST
        )
        messages = [consumer.consume() for _ in range(100)]
        same(
            [(m.offset, m.value, m.partition_key) for m in messages],
            [(i, v, b"key") for i, v in enumerate(values(str(codec)))],
        )
        consumer.stop()


def synchronous_producer():
    topic = topic_named("sync")
    with topic.get_sync_producer() as producer:
        for value in values("sync", 5):
            producer.produce(value)
    assert topic.latest_available_offsets()[0].offset[0] == 5


def commits():
    topic, group = topic_named("commits"), name(f"{broker_version}-commits")
    with topic.get_sync_producer() as producer:
        for value in values("commits", 10):
            producer.produce(value)
    for expected in (values("commits", 10)[:4], values("commits", 10)[4:]):
        consumer = topic.get_simple_consumer(
            consumer_group=group, auto_offset_reset=OffsetType.EARLIEST, consumer_timeout_ms=10_000
        )
        same([consumer.consume().value for _ in expected], expected)
        consumer.commit_offsets()
        consumer.stop()


def balanced_consumer():
    topic, group = topic_named("balanced"), name(f"{broker_version}-balanced")
    with topic.get_sync_producer() as producer:
        for value in values("balanced", 10):
            producer.produce(value)
    consumer = topic.get_balanced_consumer(
        group,
        managed=True,
        auto_offset_reset=OffsetType.EARLIEST,
        consumer_timeout_ms=20_000,
        reset_offset_on_start=True,
    )
    same([consumer.consume().value for _ in range(10)], values("balanced", 10))
    consumer.stop()


run(send_and_read_every_codec, synchronous_producer, commits, balanced_consumer)
