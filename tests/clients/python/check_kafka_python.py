"""kafka-python, any version from 1.4: KafkaProducer, KafkaConsumer, KafkaAdminClient.

A release as second argument pins `api_version`: the requests of that release are sent.
"""

import sys
import threading

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata
from scenario import BASE_MS, CODECS, LARGE, ODD, PATIENCE_S, bootstrap, eventually, name, run, same, values

version = tuple(int(part) for part in kafka.__version__.split(".")[:2])
speaks = tuple(int(part) for part in sys.argv[2].split(".")) if len(sys.argv) > 2 else (9, 9)
common = {"bootstrap_servers": bootstrap}
if len(sys.argv) > 2:
    common["api_version"] = speaks


# 3.0 forgets the answer to its SyncGroup if the time of a poll runs out while it joins, and is stuck from then on.
POLL_MS = 2000


def consumer(*topics, **config):
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return KafkaConsumer(*topics, **{**common, **defaults, **config})


def send(topic, *records, **config):
    """`records`: keyword arguments of KafkaProducer.send. Gives the offsets."""
    producer = KafkaProducer(linger_ms=10, **common, **config)
    futures = [producer.send(topic, **record) for record in records]
    offsets = [future.get(timeout=PATIENCE_S).offset for future in futures]
    producer.close()
    return offsets


def read(reader, count):
    records = []

    def enough():
        for batch in reader.poll(timeout_ms=POLL_MS).values():
            records.extend(batch)
        return len(records) >= count

    eventually(enough)
    return records


def read_topic(topic, count, **config):
    reader = consumer(topic, **config)
    records = read(reader, count)
    reader.close()
    return records


def create(topic, partitions):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()


def topics():
    topic = name("topics")
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, 3, 1)])
    reader = consumer()
    same(len(eventually(lambda: reader.partitions_for_topic(topic))), 3)
    assert topic in reader.topics()
    admin.delete_topics([topic])
    eventually(lambda: topic not in reader.topics())
    reader.close()
    admin.close()


def codecs():
    # 1.4 does not know zstd; before 0.10 the frames of lz4 had another check sum, which 1.4 sends from 0.8.2.
    known = [c for c in CODECS if c != "zstd" or (version >= (2, 0) and speaks >= (2, 1))]
    for codec in known:
        topic = name(codec)
        config = {} if codec == "none" else {"compression_type": codec}
        same(send(topic, *({"value": v} for v in values(codec)), **config), list(range(100)))
        same([record.value for record in read_topic(topic, 100)], values(codec))
    return "" if known == CODECS else ", ".join(known)


def keys():
    topic = name("keys")
    send(topic, {"key": b"k", "value": b"1"}, {"key": b"", "value": b"2"}, {"key": None, "value": b"3"})
    same([(r.key, r.value) for r in read_topic(topic, 3)], [(b"k", b"1"), (b"", b"2"), (None, b"3")])


def headers():
    topic = name("headers")
    some = [("h", b"1"), ("h", b""), ("other", b"\x00\xff")]
    send(topic, {"value": b"v", "headers": some}, {"value": b"v"})
    same([list(record.headers) for record in read_topic(topic, 2)], [some, []])


def nulls():
    topic = name("nulls")
    for key, value in ODD:
        send(topic, {"key": key, "value": value, "partition": 0})
    same([(record.key, record.value) for record in read_topic(topic, len(ODD))], ODD)


def large():
    topic = name("large")
    send(topic, {"value": LARGE})
    same(read_topic(topic, 1)[0].value, LARGE)


def resume():
    topic, group = name("resume"), name("resume")
    create(topic, 1)
    send(topic, *({"value": value, "partition": 0} for value in values("resume", 10)))
    first = consumer(topic, group_id=group, max_poll_records=4)
    seen = read(first, 4)
    first.commit()
    first.close()
    second = consumer(topic, group_id=group)
    seen += read(second, 10 - len(seen))
    same([record.value for record in seen], values("resume", 10))
    second.commit()
    same(second.committed(TopicPartition(topic, 0)), 10)
    second.close()


def rebalance():
    topic, group = name("rebalance"), name("rebalance")
    create(topic, 2)
    one = consumer(topic, group_id=group, heartbeat_interval_ms=500)
    two = consumer(topic, group_id=group, heartbeat_interval_ms=500)

    # Rejoining blocks a 1.4 consumer, so each polls in a thread of its own.
    in_threads({"one": one, "two": two}, until={"one": 1, "two": 1})
    one.close()
    in_threads({"two": two}, until={"two": 2})
    two.close()


def in_threads(consumers, until):
    """Polls each until they own so many partitions."""
    stop, owned = threading.Event(), {}

    def poll(which, one):
        while not stop.is_set():
            one.poll(timeout_ms=POLL_MS)
            owned[which] = len(one.assignment())

    threads = [threading.Thread(target=poll, args=pair, daemon=True) for pair in consumers.items()]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: owned == until)
    except AssertionError as error:
        raise AssertionError(f"they own {owned}") from error
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)


def admin():
    topic, group = name("admin"), name("admin")
    one = KafkaAdminClient(bootstrap_servers=bootstrap)
    one.create_topics([NewTopic(topic, 1, 1, topic_configs={"retention.ms": "1000000"})])
    one.create_partitions({topic: NewPartitions(3)})
    reader = consumer(topic, group_id=group)
    eventually(lambda: len(reader.partitions_for_topic(topic) or ()) == 3)
    same(configs_of(one, topic)["retention.ms"], "1000000")
    one.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "2000000"})])
    eventually(lambda: configs_of(one, topic)["retention.ms"] == "2000000")
    eventually(lambda: reader.poll(timeout_ms=POLL_MS) or reader.assignment())
    reader.commit({TopicPartition(topic, 0): offset_and_metadata(0)})
    if version < (3, 0):
        # A description is (error code, group, state, ...), which 2.0 and later name as well.
        assert (group, "consumer") in one.list_consumer_groups()
        reader.close()
        eventually(lambda: one.describe_consumer_groups([group])[0][2] == "Empty")
        if version >= (2, 0):
            one.delete_consumer_groups([group])
            assert group not in [listed[0] for listed in one.list_consumer_groups()]
    else:
        assert group in [listed["group_id"] for listed in one.list_groups()]
        reader.close()
        eventually(lambda: one.describe_groups([group])[group]["group_state"] == "Empty")
        one.delete_groups([group])
        assert group not in [listed["group_id"] for listed in one.list_groups()]
    one.delete_topics([topic])
    one.close()
    return "" if version >= (2, 0) else "all but deleting groups, which it has no call for"


def offset_and_metadata(offset):
    fields = len(OffsetAndMetadata._fields)
    return OffsetAndMetadata(offset, *("", -1)[: fields - 1])


def configs_of(one, topic):
    """1 and 2 give the responses, 3 gives {resource: {name: entry}}."""
    answer = one.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    if version >= (3, 0):
        (of_type,) = answer.values()
        return {key: entry["value"] for key, entry in of_type[topic].items()}
    response = answer[0] if isinstance(answer, list) else answer
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


def idempotence():
    topic = name("idempotence")
    offsets = send(topic, *({"value": v} for v in values("idempotence")), enable_idempotence=True)
    same(offsets, list(range(100)))
    same([record.value for record in read_topic(topic, 100)], values("idempotence"))


def transactions():
    topic = name("transactions")
    producer = KafkaProducer(transactional_id=name("transactions"), **common)
    producer.init_transactions()
    for value, end in ((b"a", "commit"), (b"b", "abort"), (b"c", "commit")):
        producer.begin_transaction()
        for _ in range(3):
            producer.send(topic, value)
        producer.flush()
        getattr(producer, f"{end}_transaction")()
    producer.close()
    committed = read_topic(topic, 6, isolation_level="read_committed")
    same([record.value for record in committed], [b"a"] * 3 + [b"c"] * 3)
    same([record.value for record in read_topic(topic, 9)], [b"a"] * 3 + [b"b"] * 3 + [b"c"] * 3)


def transactional_offsets():
    topic, group = name("offsets"), name("offsets")
    partition = TopicPartition(topic, 0)
    send(topic, *({"value": v} for v in values("offsets", 5)))
    producer = KafkaProducer(transactional_id=name("offsets"), **common)
    producer.init_transactions()
    reader = consumer(group_id=group)
    reader.assign([partition])
    for offset, end, then in ((3, "abort", None), (5, "commit", 5)):
        producer.begin_transaction()
        producer.send(topic + "-out", b"v")
        producer.flush()  # 2.3 fails to abort what it has not sent yet
        offsets = {partition: offset_and_metadata(offset)}
        if version >= (3, 0):
            producer.send_offsets_to_transaction(offsets, reader.group_metadata())
        else:
            producer.send_offsets_to_transaction(offsets, group)
        getattr(producer, f"{end}_transaction")()
        # EndTxn is answered before the group has its markers.
        eventually(lambda: reader.committed(partition) == then)
    reader.close()
    producer.close()


def times():
    topic = name("times")
    send(topic, *({"value": b"v", "timestamp_ms": BASE_MS + i} for i in range(5)))
    reader = consumer()
    partition = TopicPartition(topic, 0)
    reader.assign([partition])
    same(reader.offsets_for_times({partition: BASE_MS + 3})[partition].offset, 3)
    same(reader.beginning_offsets([partition]), {partition: 0})
    same(reader.end_offsets([partition]), {partition: 5})
    reader.close()


def delete_records():
    topic = name("delete")
    send(topic, *({"value": v} for v in values("delete", 10)))
    one = KafkaAdminClient(bootstrap_servers=bootstrap)
    one.delete_records({TopicPartition(topic, 0): 4})
    one.close()
    same([record.offset for record in read_topic(topic, 6)], list(range(4, 10)))


without = {"it does not know the consumer protocol": ["consumer_protocol"]}
if version < (2, 1):
    without["it has no call for it"] = ["delete_records"]
    without["it has no idempotent producer"] = ["idempotence", "transactions", "transactional_offsets"]
if len(sys.argv) > 2:
    without["its admin client does not take a release to speak"] = ["topics", "admin"]
if speaks < (0, 11):
    without["headers came with 0.11"] = ["headers"]
if speaks < (0, 10, 1):
    without["offsets by time came with 0.10.1"] = ["times"]
if speaks < (0, 9):
    without["groups came with 0.9, before there were only offsets"] = ["rebalance"]

run(
    f"kafka-python {kafka.__version__}" + (f" as {sys.argv[2]}" if len(sys.argv) > 2 else ""),
    [
        topics,
        codecs,
        keys,
        headers,
        nulls,
        large,
        resume,
        rebalance,
        admin,
        idempotence,
        transactions,
        transactional_offsets,
        times,
        delete_records,
    ],
    without,
)
