"""The clients of Kafka 0.8: SimpleClient (KafkaClient in 0.9.5), SimpleProducer, KeyedProducer, SimpleConsumer.

They send Produce, Fetch and Metadata in version 0 and know only message sets.
"""

import kafka
from kafka import KeyedProducer, SimpleConsumer, SimpleProducer
from kafka.protocol import CODEC_GZIP, CODEC_NONE, CODEC_SNAPPY
from scenario import bootstrap, name, run, same, values

if kafka.__version__.startswith("0."):
    from kafka import KafkaClient as Client
    from kafka.common import OffsetFetchRequest as OffsetFetchRequestPayload
else:
    from kafka import SimpleClient as Client
    from kafka.structs import OffsetFetchRequestPayload

client = Client(bootstrap)


def send_and_read_every_codec():
    for codec in (CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY):
        topic = name(f"simple-{codec}")
        client.ensure_topic_exists(topic)
        producer = SimpleProducer(client, codec=codec)
        expected = values(f"simple-{codec}", 50)
        for half in (expected[:25], expected[25:]):
            assert producer.send_messages(topic, *half)[0].error == 0
        consumer = SimpleConsumer(client, name("readers"), topic, auto_commit=False, iter_timeout=2)
        same(
            [(m.offset, m.message.value) for m in consumer.get_messages(count=50, timeout=10)],
            list(enumerate(expected)),
        )
        consumer.seek(10, 0)
        assert consumer.get_message(timeout=10).offset == 10
        consumer.stop()


def keyed():
    topic = name("keyed")
    client.ensure_topic_exists(topic)
    KeyedProducer(client).send_messages(topic, b"key", b"value")
    consumer = SimpleConsumer(client, name("readers"), topic, auto_commit=False)
    message = consumer.get_message(timeout=10).message
    same((message.key, message.value), (b"key", b"value"))
    consumer.stop()


def commits():
    topic, group = name("commits"), name("commits")
    client.ensure_topic_exists(topic)
    SimpleProducer(client).send_messages(topic, *values("commits", 10))
    first = SimpleConsumer(client, group, topic, auto_commit=True, auto_commit_every_n=4)
    same(len(first.get_messages(count=4, timeout=10)), 4)
    first.commit()
    first.stop()
    # At this level 0.9.5 wants bytes where 1.4.7 wants text.
    known_as = [text.encode() if kafka.__version__.startswith("0.") else text for text in (group, topic)]
    answers = client.send_offset_fetch_request(known_as[0], [OffsetFetchRequestPayload(known_as[1], 0)])
    same(answers[0].offset, 4)


run(send_and_read_every_codec, keyed, commits)
