"""The clients of Kafka 0.8: SimpleClient (KafkaClient in 0.9.5), SimpleProducer, KeyedProducer, SimpleConsumer.

They send Produce, Fetch and Metadata in version 0 and know only message sets.
"""

import kafka
from kafka import KeyedProducer, SimpleConsumer, SimpleProducer
from kafka.protocol import CODEC_GZIP, CODEC_NONE, CODEC_SNAPPY
from scenario import LARGE, ODD, bootstrap, name, run, same, values

if kafka.__version__.startswith("0."):
    from importlib.metadata import version

    from kafka import KafkaClient as Client
    from kafka.common import OffsetFetchRequest as OffsetFetchRequestPayload
    from kafka.common import OffsetRequest as OffsetRequestPayload

    VERSION = version("kafka-python")
else:
    from kafka import SimpleClient as Client
    from kafka.structs import OffsetFetchRequestPayload, OffsetRequestPayload

    VERSION = kafka.__version__

client = Client(bootstrap)


def wire(text):
    """Where requests are built by hand, 0.9.5 wants bytes and 1.4.7 wants text."""
    return text.encode() if VERSION.startswith("0.") else text


def created(stem):
    """A topic is created by asking for it."""
    topic = name(stem)
    client.ensure_topic_exists(topic)
    return topic


def read(topic, count, **config):
    consumer = SimpleConsumer(client, name("readers"), topic, auto_commit=False, **config)
    messages = consumer.get_messages(count=count, timeout=10)
    consumer.stop()
    return messages


def codecs():
    for codec in (CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY):
        topic = created(f"codec-{codec}")
        producer = SimpleProducer(client, codec=codec)
        expected = values(str(codec))
        for half in (expected[:50], expected[50:]):
            assert producer.send_messages(topic, *half)[0].error == 0
        same([(m.offset, m.message.value) for m in read(topic, 100)], list(enumerate(expected)))
    return "none, gzip, snappy"


def keys():
    topic = created("keys")
    KeyedProducer(client).send_messages(topic, b"key", b"value")
    KeyedProducer(client).send_messages(topic, b"", b"value")
    same([m.message.key for m in read(topic, 2)], [b"key", b""])


def nulls():
    topic = created("nulls")
    producer = KeyedProducer(client)
    pairs = [(key, value) for key, value in ODD if key is not None]
    for key, value in pairs:
        producer.send_messages(topic, key, value)
    same([(m.message.key, m.message.value) for m in read(topic, len(pairs))], pairs)
    return "null values only: keys are not optional"


def large():
    topic = created("large")
    SimpleProducer(client).send_messages(topic, LARGE)
    same(read(topic, 1, max_buffer_size=None)[0].message.value, LARGE)


def resume():
    topic, group = created("resume"), name("resume")
    SimpleProducer(client).send_messages(topic, *values("resume", 10))
    first = SimpleConsumer(client, group, topic, auto_commit=True, auto_commit_every_n=4)
    seen = first.get_messages(count=4, timeout=10)
    first.commit()
    first.stop()
    answers = client.send_offset_fetch_request(wire(group), [OffsetFetchRequestPayload(wire(topic), 0)])
    same(answers[0].offset, 4)
    second = SimpleConsumer(client, group, topic)
    seen += second.get_messages(count=6, timeout=10)
    second.stop()
    same([m.message.value for m in seen], values("resume", 10))


def first_and_last_offsets():
    topic = created("offsets")
    SimpleProducer(client).send_messages(topic, *values("offsets", 5))
    asked = [OffsetRequestPayload(wire(topic), 0, time, 1) for time in (-2, -1)]
    same([client.send_offset_request([one])[0].offsets for one in asked], [(0,), (5,)])
    consumer = SimpleConsumer(client, name("readers"), topic, auto_commit=False)
    consumer.seek(2, 0)
    same(consumer.get_message(timeout=10).offset, 2)
    consumer.stop()


run(
    f"kafka-python {VERSION} SimpleClient",
    [codecs, keys, nulls, large, resume],
    {
        "Kafka 0.8 had no such requests or fields": [
            "topics",
            "headers",
            "rebalance",
            "consumer_protocol",
            "admin",
            "idempotence",
            "transactions",
            "transactional_offsets",
            "delete_records",
        ],
        "messages of Kafka 0.8 carry no time": ["times"],
    },
    also={"first and last offsets, seeking": first_and_last_offsets},
)
