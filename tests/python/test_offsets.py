"""Positions: seek, beginning and end, by time, out of range, highwater."""

import time

from clients import admin, consumer, poll_until, producer, send_all
from kafka import TopicPartition
from kafka.admin import NewTopic

# An hour ago: records of long ago could be removed by retention at any moment.
BASE_MS = int(time.time() * 1000) - 3_600_000


def filled(broker, closing, topic, count=50):
    """`count` records in one-record batches and larger ones, a second apart."""
    sender = closing(producer(broker, linger_ms=10))
    futures = [
        sender.send(topic, value=str(i).encode(), timestamp_ms=BASE_MS + i * 1000) for i in range(count)
    ]
    for future in futures:
        future.get(timeout=30)
    return TopicPartition(topic, 0)


def test_beginning_end_and_highwater(broker, unique, closing):
    tp = filled(broker, closing, unique("ends"))
    reader = closing(consumer(broker))
    assert reader.beginning_offsets([tp]) == {tp: 0}
    assert reader.end_offsets([tp]) == {tp: 50}
    reader.assign([tp])
    poll_until(reader, lambda records: len(records) == 50)
    assert reader.highwater(tp) == 50
    assert reader.position(tp) == 50


def test_seek_lands_inside_a_batch(broker, unique, closing):
    tp = filled(broker, closing, unique("seek"))
    reader = closing(consumer(broker))
    reader.assign([tp])
    for offset in (49, 0, 17, 33):
        reader.seek(tp, offset)
        first = poll_until(reader, lambda records: records)[0]
        assert (first.offset, first.value) == (offset, str(offset).encode())
    reader.seek_to_beginning(tp)
    assert reader.position(tp) == 0
    reader.seek_to_end(tp)
    assert reader.position(tp) == 50


def test_offsets_for_times_finds_the_exact_record(broker, unique, closing):
    tp = filled(broker, closing, unique("times"))
    reader = closing(consumer(broker))
    reader.assign([tp])

    def at(timestamp_ms):
        return reader.offsets_for_times({tp: timestamp_ms})[tp]

    assert tuple(at(BASE_MS + 20_000))[:2] == (20, BASE_MS + 20_000)
    assert tuple(at(BASE_MS + 19_001))[:2] == (20, BASE_MS + 20_000)
    assert tuple(at(0))[:2] == (0, BASE_MS)
    assert tuple(at(BASE_MS + 49_000))[:2] == (49, BASE_MS + 49_000)
    assert at(BASE_MS + 49_001) is None


def test_offsets_for_times_of_many_partitions(broker, unique, closing):
    topic = unique("times-many")
    closing(admin(broker)).create_topics([NewTopic(topic, 3, 1)])
    sender = closing(producer(broker))
    for partition in range(2):
        for i in range(5):
            sender.send(
                topic, value=b"v", partition=partition, timestamp_ms=BASE_MS + i * (partition + 1)
            ).get(timeout=30)
    reader = closing(consumer(broker))
    parts = [TopicPartition(topic, p) for p in range(3)]
    found = reader.offsets_for_times({tp: BASE_MS + 4 for tp in parts})
    assert [found[tp] and found[tp].offset for tp in parts] == [4, 2, None]


def test_out_of_range_resets_where_it_is_told(broker, unique, closing):
    tp = filled(broker, closing, unique("range"), 10)
    for reset, expected in (("earliest", 0), ("latest", None)):
        reader = closing(consumer(broker, auto_offset_reset=reset))
        reader.assign([tp])
        reader.seek(tp, 1_000)
        if expected is None:
            reader.poll(timeout_ms=1000)
            assert reader.position(tp) == 10
        else:
            assert poll_until(reader, lambda records: records)[0].offset == expected


def test_pause_and_resume(broker, unique, closing):
    tp = filled(broker, closing, unique("pause"), 5)
    reader = closing(consumer(broker))
    reader.assign([tp])
    reader.pause(tp)
    assert reader.poll(timeout_ms=300) == {}
    reader.resume(tp)
    assert len(poll_until(reader, lambda records: len(records) == 5)) == 5


def test_iteration_ends_after_consumer_timeout(broker, unique, closing):
    tp = filled(broker, closing, unique("iterate"), 25)
    reader = closing(consumer(broker, consumer_timeout_ms=1500))
    reader.assign([tp])
    assert [record.offset for record in reader] == list(range(25))


def test_max_poll_records_is_kept(broker, unique, closing):
    tp = filled(broker, closing, unique("max-poll"), 20)
    reader = closing(consumer(broker, max_poll_records=7))
    reader.assign([tp])
    sizes = []
    while sum(sizes) < 20:
        sizes += [len(batch) for batch in reader.poll(timeout_ms=500).values()]
    assert max(sizes) <= 7


def test_two_consumers_read_the_same_records(broker, unique, closing):
    topic = unique("fan-out")
    send_all(closing(producer(broker)), topic, [b"a", b"b"])
    for _ in range(2):
        reader = closing(consumer(broker, topic))
        assert [record.value for record in poll_until(reader, lambda records: len(records) == 2)] == [
            b"a",
            b"b",
        ]
