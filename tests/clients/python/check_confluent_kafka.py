"""confluent-kafka: librdkafka through Python."""

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from scenario import BASE_MS, CODECS, LARGE, PATIENCE_S, bootstrap, eventually, name, run, same, values

admin = AdminClient({"bootstrap.servers": bootstrap})


def send(topic, records, **config):
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


def consumer(group, topics, **config):
    one = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **config,
        }
    )
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


def results(futures):
    return {key: future.result(PATIENCE_S) for key, future in futures.items()}


def every_codec():
    for codec in CODECS:
        topic = name(codec)
        records = [{"value": v, "key": b"k", "headers": [("h", b"1"), ("h", None)]} for v in values(codec)]
        same(send(topic, records, **{"compression.type": codec}), list(range(100)))
        reader = consumer(name(codec), [topic])
        messages = read(reader, 100)
        same([m.value() for m in messages], values(codec))
        assert all(m.key() == b"k" and m.headers() == [("h", b"1"), ("h", None)] for m in messages)
        reader.close()


def idempotent_nulls_and_large_values():
    topic = name("sizes")
    sent = [(None, b""), (b"", None), (b"k", LARGE)]
    send(topic, [{"key": key, "value": value} for key, value in sent], **{"enable.idempotence": True})
    reader = consumer(name("sizes"), [topic])
    same([(m.key(), m.value()) for m in read(reader, 3)], sent)
    reader.close()


def group_resumes_and_rebalances():
    for strategy in ("range", "cooperative-sticky"):
        topic, group = name(f"group-{strategy}"), name(f"group-{strategy}")
        results(admin.create_topics([NewTopic(topic, 2, 1)]))
        send(topic, [{"value": v, "partition": i % 2} for i, v in enumerate(values("group", 10))])
        config = {"partition.assignment.strategy": strategy, "heartbeat.interval.ms": 500}
        first = consumer(group, [topic], **config)
        seen = read(first, 4)
        first.commit(asynchronous=False)
        first.close()
        second = consumer(group, [topic], **config)
        seen += read(second, 6)
        same(sorted(m.value() for m in seen), sorted(values("group", 10)))
        third = consumer(group, [topic], **config)
        eventually(
            lambda: second.poll(0.05)
            or third.poll(0.05)
            or (len(second.assignment()) == 1 and len(third.assignment()) == 1)
        )
        third.close()
        eventually(lambda: second.poll(0.05) or len(second.assignment()) == 2)
        second.close()


def administration():
    topic, group = name("admin"), name("admin")
    results(admin.create_topics([NewTopic(topic, 1, 1, config={"retention.ms": "1000000"})]))
    results(admin.create_partitions([NewPartitions(topic, 3)]))
    eventually(lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3)
    (configs,) = results(admin.describe_configs([ConfigResource("topic", topic)])).values()
    assert configs["retention.ms"].value == "1000000"
    send(topic, [{"value": b"v", "partition": 0}] * 3)
    reader = consumer(group, [topic])
    read(reader, 3)
    reader.commit(asynchronous=False)
    assert group in [g.group_id for g in admin.list_consumer_groups().result(PATIENCE_S).valid]
    reader.close()
    eventually(lambda: results(admin.describe_consumer_groups([group]))[group].state.name == "EMPTY")
    results(admin.delete_consumer_groups([group]))
    assert admin.describe_cluster().result(PATIENCE_S).controller is not None
    results(admin.delete_topics([topic]))


def offsets_by_time():
    topic = name("times")
    send(topic, [{"value": b"v", "timestamp": BASE_MS + i} for i in range(5)])
    reader = consumer(name("times"), [topic])
    assert reader.offsets_for_times([TopicPartition(topic, 0, BASE_MS + 3)], timeout=10)[0].offset == 3
    assert reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, 5)
    reader.close()


run(
    every_codec,
    idempotent_nulls_and_large_values,
    group_resumes_and_rebalances,
    administration,
    offsets_by_time,
)
