"""confluent-kafka: librdkafka through Python."""

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from scenario import BASE_MS, CODECS, LARGE, ODD, PATIENCE_S, bootstrap, eventually, name, run, same, values

client = AdminClient({"bootstrap.servers": bootstrap})


def send(topic, *records, **config):
    """`records`: keyword arguments of Producer.produce. Gives the offsets in order."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 10, "message.max.bytes": 2_000_000, **config}
    )
    offsets, errors = [], []
    for record in records:
        producer.produce(
            topic,
            **record,
            on_delivery=lambda error, m: errors.append(error) if error else offsets.append(m.offset()),
        )
    assert producer.flush(PATIENCE_S) == 0 and not errors, errors
    return offsets


def consumer(group, topics=(), **config):
    one = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **config,
        }
    )
    if topics:
        one.subscribe(topics)
    return one


def read(reader, count):
    messages = []

    def enough():
        for message in reader.consume(count - len(messages), timeout=0.5):
            assert message.error() is None, message.error()
            messages.append(message)
        return len(messages) >= count

    eventually(enough)
    return messages


def read_topic(topic, count, **config):
    """Without a group: the first partition from its start."""
    reader = consumer("unused", **config)
    reader.assign([TopicPartition(topic, 0, 0)])
    messages = read(reader, count)
    reader.close()
    return messages


def results(futures):
    return {key: future.result(PATIENCE_S) for key, future in futures.items()}


def topics():
    topic = name("topics")
    results(client.create_topics([NewTopic(topic, 3, 1)]))
    same(len(eventually(lambda: client.list_topics(timeout=10).topics.get(topic)).partitions), 3)
    results(client.delete_topics([topic]))
    eventually(lambda: topic not in client.list_topics(timeout=10).topics)


def codecs():
    for codec in CODECS:
        topic = name(codec)
        sent = ({"value": v} for v in values(codec))
        same(send(topic, *sent, **{"compression.type": codec}), list(range(100)))
        same([m.value() for m in read_topic(topic, 100)], values(codec))


def keys():
    topic = name("keys")
    sent = [(b"k", b"1"), (b"", b"2"), (None, b"3")]
    send(topic, *({"key": key, "value": value} for key, value in sent))
    same([(m.key(), m.value()) for m in read_topic(topic, 3)], sent)


def headers():
    topic = name("headers")
    some = [("h", b"1"), ("h", None), ("other", b"\x00\xff")]
    send(topic, {"value": b"v", "headers": some}, {"value": b"v"})
    same([m.headers() for m in read_topic(topic, 2)], [some, None])


def nulls():
    topic = name("nulls")
    send(topic, *({"key": key, "value": value} for key, value in ODD))
    same([(m.key(), m.value()) for m in read_topic(topic, len(ODD))], ODD)


def large():
    topic = name("large")
    send(topic, {"value": LARGE})
    same(read_topic(topic, 1)[0].value(), LARGE)


def resume():
    resumes(name("resume"), {})


def resumes(topic, config):
    results(client.create_topics([NewTopic(topic, 1, 1)]))
    send(topic, *({"value": value} for value in values("resume", 10)))
    first = consumer(topic, [topic], **config)
    seen = read(first, 4)
    first.commit(message=seen[-1], asynchronous=False)
    first.close()
    second = consumer(topic, [topic], **config)
    seen += read(second, 6)
    second.commit(asynchronous=False)
    same(second.committed([TopicPartition(topic, 0)], timeout=10)[0].offset, 10)
    second.close()
    same([m.value() for m in seen], values("resume", 10))


def rebalance():
    for strategy in ("range", "cooperative-sticky"):
        config = {"partition.assignment.strategy": strategy, "heartbeat.interval.ms": 500}
        rebalances(name(strategy), config)


def rebalances(topic, config):
    results(client.create_topics([NewTopic(topic, 2, 1)]))
    one, two = consumer(topic, [topic], **config), consumer(topic, [topic], **config)
    eventually(
        lambda: [c.poll(0.05) for c in (one, two)] and len(one.assignment()) == len(two.assignment()) == 1
    )
    two.close()
    eventually(lambda: one.poll(0.05) or len(one.assignment()) == 2)
    one.close()


def consumer_protocol():
    config = {"group.protocol": "consumer"}
    resumes(name("848-resume"), config)
    for assignor in ("uniform", "range"):
        rebalances(name(f"848-{assignor}"), {**config, "group.remote.assignor": assignor})


def admin():
    topic, group = name("admin"), name("admin")
    results(client.create_topics([NewTopic(topic, 1, 1, config={"retention.ms": "1000000"})]))
    results(client.create_partitions([NewPartitions(topic, 3)]))
    eventually(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 3)

    def retention():
        (configs,) = results(client.describe_configs([ConfigResource("topic", topic)])).values()
        return configs["retention.ms"].value

    same(retention(), "1000000")
    entry = ConfigEntry("retention.ms", "2000000", incremental_operation=AlterConfigOpType.SET)
    wanted = ConfigResource("topic", topic, incremental_configs=[entry])
    results(client.incremental_alter_configs([wanted]))
    eventually(lambda: retention() == "2000000")
    ends = results(client.list_offsets({TopicPartition(topic, 2): OffsetSpec.latest()}))
    same([end.offset for end in ends.values()], [0])
    reader = consumer(group, [topic])
    eventually(lambda: reader.poll(0.05) or reader.assignment())
    reader.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    assert group in [g.group_id for g in client.list_consumer_groups().result(PATIENCE_S).valid]
    reader.close()
    eventually(lambda: results(client.describe_consumer_groups([group]))[group].state.name == "EMPTY")
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 1, 0)])
    results(client.alter_consumer_group_offsets([moved]))
    results(client.delete_consumer_groups([group]))
    assert group not in [g.group_id for g in client.list_consumer_groups().result(PATIENCE_S).valid]
    assert client.describe_cluster().result(PATIENCE_S).controller is not None
    results(client.delete_topics([topic]))


def idempotence():
    topic = name("idempotence")
    sent = ({"value": v} for v in values("idempotence"))
    same(send(topic, *sent, **{"enable.idempotence": True}), list(range(100)))
    same([m.value() for m in read_topic(topic, 100)], values("idempotence"))


def transactional(stem):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name(stem)})
    producer.init_transactions(PATIENCE_S)
    return producer


def transactions():
    topic = name("transactions")
    producer = transactional("transactions")
    ends = [
        (b"a", producer.commit_transaction),
        (b"b", producer.abort_transaction),
        (b"c", producer.commit_transaction),
    ]
    for value, end in ends:
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic, value)
        assert producer.flush(PATIENCE_S) == 0
        end(PATIENCE_S)
    committed = read_topic(topic, 6, **{"isolation.level": "read_committed"})
    same([m.value() for m in committed], [b"a"] * 3 + [b"c"] * 3)
    everything = read_topic(topic, 9, **{"isolation.level": "read_uncommitted"})
    same([m.value() for m in everything], [b"a"] * 3 + [b"b"] * 3 + [b"c"] * 3)


def transactional_offsets():
    topic, group = name("offsets"), name("offsets")
    send(topic, *({"value": v} for v in values("offsets", 5)))
    producer = transactional("offsets")
    reader = consumer(group, [topic])
    eventually(lambda: reader.poll(0.05) or reader.assignment())
    for offset, end, then in (
        (3, producer.abort_transaction, confluent_kafka.OFFSET_INVALID),
        (5, producer.commit_transaction, 5),
    ):
        producer.begin_transaction()
        producer.produce(topic + "-out", b"v")
        position = [TopicPartition(topic, 0, offset)]
        producer.send_offsets_to_transaction(position, reader.consumer_group_metadata(), PATIENCE_S)
        end(PATIENCE_S)
        eventually(lambda: reader.committed([TopicPartition(topic, 0)], timeout=10)[0].offset == then)
    reader.close()


def times():
    topic = name("times")
    send(topic, *({"value": b"v", "timestamp": BASE_MS + i} for i in range(5)))
    reader = consumer(name("times"))
    same(reader.offsets_for_times([TopicPartition(topic, 0, BASE_MS + 3)], timeout=10)[0].offset, 3)
    same(reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=10), (0, 5))
    reader.close()
    asked = results(client.list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()}))
    same([one.offset for one in asked.values()], [4])


def delete_records():
    topic = name("delete")
    send(topic, *({"value": v} for v in values("delete", 10)))
    (deleted,) = results(client.delete_records([TopicPartition(topic, 0, 4)])).values()
    same(deleted.low_watermark, 4)
    reader = consumer("unused", **{"auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    same([m.offset() for m in read(reader, 6)], list(range(4, 10)))
    reader.close()


run(
    f"confluent-kafka {confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})",
    [
        topics,
        codecs,
        keys,
        headers,
        nulls,
        large,
        resume,
        rebalance,
        consumer_protocol,
        admin,
        idempotence,
        transactions,
        transactional_offsets,
        times,
        delete_records,
    ],
)
