"""Transactions as kafka-python's producer makes them: seen whole or not at all, fenced, with a group's offsets."""

import pytest
from clients import IS_3, PATIENCE_S, admin, consumer, eventually, poll_until, producer, read, send_all
from kafka import TopicPartition
from kafka.admin import NewTopic
from kafka.structs import OffsetAndMetadata

pytestmark = pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 has no transactions")


def transactional(broker, transactional_id, **config):
    """A producer that has fenced all others of its id."""
    one = producer(broker, transactional_id=transactional_id, **config)
    one.init_transactions()
    return one


def committed(broker, topic, count, partition=0):
    return [record.value for record in read(broker, topic, count, partition, isolation_level="read_committed")]


def test_only_what_was_committed_is_read(broker, unique, closing):
    topic = unique("outcomes")
    sender = closing(transactional(broker, unique("id")))
    for outcome, value in [("commit", b"1"), ("abort", b"2"), ("commit", b"3"), ("abort", b"4"), ("commit", b"5")]:
        sender.begin_transaction()
        send_all(sender, topic, [value + b"a", value + b"b"])
        sender.commit_transaction() if outcome == "commit" else sender.abort_transaction()
    assert committed(broker, topic, 6) == [b"1a", b"1b", b"3a", b"3b", b"5a", b"5b"]
    everything = [record.value for record in read(broker, topic, 10)]
    assert everything == [digit + letter for digit in (b"1", b"2", b"3", b"4", b"5") for letter in (b"a", b"b")]


def test_an_open_transaction_holds_back_what_comes_after_it(broker, unique, closing):
    topic = unique("open")
    open_one, other = closing(transactional(broker, unique("id"))), closing(producer(broker))
    send_all(other, topic, [b"before"])
    open_one.begin_transaction()
    send_all(open_one, topic, [b"inside"])
    send_all(other, topic, [b"after"])
    reader = closing(consumer(broker, isolation_level="read_committed"))
    at = TopicPartition(topic, 0)
    reader.assign([at])
    assert [record.value for record in poll_until(reader, lambda records: records)] == [b"before"]
    assert reader.end_offsets([at])[at] == 1, "the last stable offset"
    assert not reader.poll(timeout_ms=500)
    open_one.commit_transaction()
    assert [r.value for r in poll_until(reader, lambda records: len(records) == 2)] == [b"inside", b"after"]


def test_a_transaction_spans_partitions_and_topics(broker, unique, closing):
    topics = [unique("span"), unique("span")]
    an_admin = closing(admin(broker))
    an_admin.create_topics([NewTopic(topic, 2, 1) for topic in topics])
    sender = closing(transactional(broker, unique("id")))
    for outcome in ("abort", "commit"):
        sender.begin_transaction()
        for topic in topics:
            for partition in range(2):
                sender.send(topic, outcome.encode(), partition=partition).get(timeout=PATIENCE_S)
        sender.commit_transaction() if outcome == "commit" else sender.abort_transaction()
    for topic in topics:
        for partition in range(2):
            assert committed(broker, topic, 1, partition) == [b"commit"]


def test_a_second_producer_of_the_id_fences_the_first(broker, unique, closing):
    topic, transactional_id = unique("fenced"), unique("id")
    first = closing(transactional(broker, transactional_id))
    first.begin_transaction()
    send_all(first, topic, [b"lost"])
    second = closing(transactional(broker, transactional_id))
    second.begin_transaction()
    send_all(second, topic, [b"kept"])
    second.commit_transaction()
    with pytest.raises(Exception):  # noqa: B017 - which one depends on the request that hears of it first
        send_all(first, topic, [b"zombie"])
        first.commit_transaction()
    assert committed(broker, topic, 1) == [b"kept"]


def test_offsets_commit_and_abort_with_the_transaction(broker, unique, closing):
    source, sink, group = unique("source"), unique("sink"), unique("group")
    send_all(closing(producer(broker)), source, [b"1", b"2", b"3"])
    sender = closing(transactional(broker, unique("id")))
    at = TopicPartition(source, 0)
    for outcome in ("abort", "commit"):
        reader = consumer(broker, source, group_id=group)
        records = poll_until(reader, lambda records: len(records) == 3)
        assert [record.value for record in records] == [b"1", b"2", b"3"], "an aborted offset counts for nothing"
        sender.begin_transaction()
        send_all(sender, sink, [record.value + b"!" for record in records])
        sender.send_offsets_to_transaction({at: OffsetAndMetadata(3, "", -1)}, reader.group_metadata())
        sender.commit_transaction() if outcome == "commit" else sender.abort_transaction()
        reader.close(autocommit=False)
    assert committed(broker, sink, 3) == [b"1!", b"2!", b"3!"]
    reader = closing(consumer(broker, group_id=group))
    assert eventually(lambda: reader.committed(at)) == 3


@pytest.mark.own_broker
def test_open_transactions_survive_a_killed_broker(start_broker, unique, closing):
    """What was open goes on after the restart; what was committed stays committed."""
    broker = start_broker("a")
    port = int(broker.bootstrap.rsplit(":", 1)[1])
    topic, transactional_id = unique("killed"), unique("id")
    sender = transactional(broker, transactional_id)
    sender.begin_transaction()
    send_all(sender, topic, [b"committed"])
    sender.commit_transaction()
    sender.begin_transaction()
    send_all(sender, topic, [b"open"])
    broker.kill()
    broker = start_broker("a", kafka_port=port)
    again = closing(transactional(broker, transactional_id))
    again.begin_transaction()
    send_all(again, topic, [b"after"])
    again.commit_transaction()
    sender.close(timeout=1)
    assert committed(broker, topic, 2) == [b"committed", b"after"]


@pytest.mark.own_broker
def test_a_transaction_left_open_is_aborted_in_time(start_broker, unique, closing):
    settings = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "100"}
    broker = start_broker("a", settings)
    topic = unique("overdue")
    sender = closing(transactional(broker, unique("id"), transaction_timeout_ms=500))
    sender.begin_transaction()
    send_all(sender, topic, [b"left"])
    send_all(closing(producer(broker)), topic, [b"after"])
    assert committed(broker, topic, 1) == [b"after"]
