"""What goes in comes out: every compression, keys, headers, null and empty, large values, every acks."""

import time

import pytest
from clients import IS_3, admin, consumer, poll_until, producer, read, send_all
from kafka import TopicPartition
from kafka.admin import NewTopic
from kafka.errors import MessageSizeTooLargeError

COMPRESSIONS = [None, "gzip", "snappy", "lz4", "zstd"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_round_trips(broker, unique, closing, compression):
    topic = unique("codec")
    values = [f"{compression} value {i} ".encode() * 20 for i in range(500)]
    sender = closing(producer(broker, compression_type=compression, linger_ms=20, batch_size=64 * 1024))
    offsets = send_all(sender, topic, values)
    assert offsets == list(range(500))
    records = read(broker, topic, 500)
    assert [record.value for record in records] == values
    assert [record.offset for record in records] == offsets


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_large_values_round_trip(broker, unique, closing, compression):
    topic = unique("large")
    # Half noise, half text, so that every codec has something to do and something it cannot shrink.
    noise = bytes((i * 2654435761 >> 13) & 0xFF for i in range(450_000))
    values = [bytes([i]) + noise + b"x" * 450_000 for i in range(3)]
    sender = closing(producer(broker, compression_type=compression, max_request_size=1_048_576))
    assert send_all(sender, topic, values) == [0, 1, 2]
    assert [record.value for record in read(broker, topic, 3)] == values


def test_a_batch_mixing_sizes_is_read_whole_with_small_fetches(broker, unique, closing):
    """max_partition_fetch_bytes below one batch must still make progress (KIP-74)."""
    topic = unique("small-fetch")
    values = [b"a" * 10, b"b" * 200_000, b"c" * 10, b"d" * 300_000]
    sender = closing(producer(broker))
    for value in values:
        send_all(sender, topic, [value])
    records = read(broker, topic, 4, max_partition_fetch_bytes=1024)
    assert [record.value for record in records] == values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"v"),
        (b"", b"v"),
        (b"k", b"v"),
        (b"k", None),
        (b"k", b""),
        (b"", b""),
        (b"\x00\xff", b"\x00\xff"),
    ],
)
def test_null_and_empty_are_not_the_same(broker, unique, closing, key, value):
    topic = unique("nulls")
    sender = closing(producer(broker))
    sender.send(topic, key=key, value=value).get(timeout=30)
    record = read(broker, topic, 1)[0]
    assert (record.key, record.value) == (key, value)


def test_headers_keep_order_duplicates_and_bytes(broker, unique, closing):
    topic = unique("headers")
    headers = [
        ("trace", b"1"),
        ("trace", b"2"),
        ("empty", b""),
        ("bytes", bytes(range(256))),
        ("ünï", "ç".encode()),
    ]
    sender = closing(producer(broker))
    sender.send(topic, value=b"v", headers=headers).get(timeout=30)
    sender.send(topic, value=b"w").get(timeout=30)
    first, second = read(broker, topic, 2)
    assert list(first.headers) == headers
    assert list(second.headers) == []


def test_timestamps_are_the_producers(broker, unique, closing):
    topic = unique("timestamps")
    now_ms = int(time.time() * 1000)
    stamps = [now_ms - 10_000, now_ms + 500, now_ms - 3_600_000]
    sender = closing(producer(broker))
    for stamp in stamps:
        assert sender.send(topic, value=b"v", timestamp_ms=stamp).get(timeout=30).timestamp == stamp
    records = read(broker, topic, 3)
    assert [record.timestamp for record in records] == stamps
    assert {record.timestamp_type for record in records} == {0}


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_every_acks_delivers_in_order(broker, unique, closing, acks):
    topic = unique("acks")
    config = {"acks": acks}
    if acks != "all":
        # kafka-python 3 is idempotent unless told otherwise, and that asks for acks=all.
        config |= without_idempotence()
    sender = closing(producer(broker, **config))
    # acks=0 is not answered, so a record sent before the topic has a leader may be lost: send one that is answered.
    send_all(closing(producer(broker)), topic, [b"first"])
    for i in range(200):
        sender.send(topic, value=str(i).encode())
    sender.flush(timeout=30)
    if acks == 0 and not IS_3:
        # kafka-python 2.0 leaves an acks=0 request in its buffer until it has another one to send to that broker.
        sender.partitions_for(unique("nudge"))
    assert [record.value for record in read(broker, topic, 201)] == [
        b"first",
        *(str(i).encode() for i in range(200)),
    ]


def without_idempotence():
    return {"enable_idempotence": False} if IS_3 else {}


def test_keys_choose_partitions_that_stay_put(broker, unique, closing):
    topic = unique("keyed")
    closing(admin(broker)).create_topics([NewTopic(topic, 4, 1)])
    sender = closing(producer(broker))
    placed = {}
    for i in range(200):
        key = f"user-{i % 20}".encode()
        partition = sender.send(topic, key=key, value=str(i).encode()).get(timeout=30).partition
        assert placed.setdefault(key, partition) == partition
    assert set(placed.values()) == {0, 1, 2, 3}
    reader = closing(consumer(broker))
    reader.assign([TopicPartition(topic, p) for p in range(4)])
    records = poll_until(reader, lambda so_far: len(so_far) >= 200)
    for key in placed:
        mine = [int(record.value) for record in records if record.key == key]
        assert mine == sorted(mine) and len(mine) == 10


def test_a_waiting_consumer_is_woken_by_a_record(broker, unique, closing):
    """A fetch that long-polls is answered by the append, not by its time-out."""
    topic = unique("wake")
    sender = closing(producer(broker))
    send_all(sender, topic, [b"first"])
    reader = closing(consumer(broker, fetch_max_wait_ms=10_000, request_timeout_ms=40_000))
    reader.assign([TopicPartition(topic, 0)])
    poll_until(reader, lambda so_far: len(so_far) == 1)
    reader.poll(timeout_ms=300)  # leaves a long poll in flight
    send_all(sender, topic, [b"second"])
    began = time.monotonic()
    assert [record.value for record in poll_until(reader, lambda so_far: so_far)] == [b"second"]
    assert time.monotonic() - began < 5


def test_many_topics_in_one_producer(broker, unique, closing):
    topics = [unique("many") for _ in range(20)]
    sender = closing(producer(broker, linger_ms=5))
    futures = [sender.send(topic, value=topic.encode()) for topic in topics for _ in range(3)]
    assert [future.get(timeout=30).offset for future in futures] == [0, 1, 2] * 20
    reader = closing(consumer(broker, *topics))
    records = poll_until(reader, lambda so_far: len(so_far) >= 60)
    assert all(record.value == record.topic.encode() for record in records)


def test_a_record_over_the_limit_is_refused_and_the_next_one_taken(broker, unique, closing):
    topic = unique("too-large")
    sender = closing(producer(broker, max_request_size=8_000_000))
    with pytest.raises(MessageSizeTooLargeError):
        sender.send(topic, value=b"x" * 3_000_000).get(timeout=30)
    assert closing(producer(broker)).send(topic, value=b"small").get(timeout=30).offset == 0
