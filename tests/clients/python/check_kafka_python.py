"""kafka-python, any version from 1.4: KafkaProducer, KafkaConsumer, KafkaAdminClient."""

import threading

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from scenario import BASE_MS, CODECS, LARGE, PATIENCE_S, bootstrap, eventually, name, run, same, values

# 1.4 and 2.3 name their codecs; 1.4 does not know zstd.
KNOWN = [codec for codec in CODECS if codec != "zstd" or not kafka.__version__.startswith("1.")]


def consumer(*topics, **config):
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return KafkaConsumer(*topics, bootstrap_servers=bootstrap, **{**defaults, **config})


def read(reader, count):
    records = []

    def enough():
        for batch in reader.poll(timeout_ms=200).values():
            records.extend(batch)
        return len(records) >= count

    eventually(enough)
    return records


def every_codec():
    for codec in KNOWN:
        topic = name(codec)
        producer = KafkaProducer(
            bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, linger_ms=10
        )
        futures = [producer.send(topic, value=v, key=b"k", headers=[("h", b"1")]) for v in values(codec)]
        same([future.get(timeout=PATIENCE_S).offset for future in futures], list(range(100)))
        producer.close()
        reader = consumer(topic)
        records = read(reader, 100)
        same([record.value for record in records], values(codec))
        assert all(record.key == b"k" and list(record.headers) == [("h", b"1")] for record in records)
        reader.close()


def nulls_and_large_values():
    topic = name("sizes")
    sent = [(None, b""), (b"", None), (b"k", LARGE)]
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for key, value in sent:
        producer.send(topic, key=key, value=value).get(timeout=PATIENCE_S)
    producer.close()
    reader = consumer(topic)
    same([(record.key, record.value) for record in read(reader, 3)], sent)
    reader.close()


def group_resumes_and_rebalances():
    topic, group = name("group"), name("group")
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, 2, 1)])
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for i, value in enumerate(values("group", 10)):
        producer.send(topic, value=value, partition=i % 2).get(timeout=PATIENCE_S)
    first = consumer(topic, group_id=group, max_poll_records=4)
    seen = read(first, 4)
    first.commit()
    first.close()
    second = consumer(topic, group_id=group, heartbeat_interval_ms=500)
    seen += read(second, 10 - len(seen))
    second.commit()
    same(sorted(record.value for record in seen), sorted(values("group", 10)))
    third = consumer(topic, group_id=group, heartbeat_interval_ms=500)

    # Rejoining blocks a 1.4 consumer, so each polls in a thread of its own.
    in_threads(second, third, until=lambda: len(second.assignment()) == 1 and len(third.assignment()) == 1)
    second.close()
    in_threads(third, until=lambda: len(third.assignment()) == 2)
    third.close()
    producer.close()
    admin.delete_topics([topic])
    admin.close()


def in_threads(*consumers, until):
    stop = threading.Event()

    def poll(one):
        while not stop.is_set():
            one.poll(timeout_ms=100)

    threads = [threading.Thread(target=poll, args=(one,), daemon=True) for one in consumers]
    for thread in threads:
        thread.start()
    eventually(until)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)


def offsets_by_time():
    topic = name("times")
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for i in range(5):
        producer.send(topic, value=b"v", timestamp_ms=BASE_MS + i).get(timeout=PATIENCE_S)
    producer.close()
    reader = consumer()
    partition = TopicPartition(topic, 0)
    reader.assign([partition])
    assert reader.offsets_for_times({partition: BASE_MS + 3})[partition].offset == 3
    assert reader.end_offsets([partition]) == {partition: 5}
    reader.close()


run(every_codec, nulls_and_large_values, group_resumes_and_rebalances, offsets_by_time)
