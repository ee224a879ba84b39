"""Consumer groups: committing, resuming, sharing partitions, static members, cooperative rebalances, metadata."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from clients import IS_3, PATIENCE_S, POLL_MS, admin, consumer, eventually, poll_until, producer, send_all
from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.admin import NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

# A program that joins a group and then only waits to be killed.
GHOST = Path(__file__).parent / "programs" / "ghost_member.py"

# Short sessions make rebalances quick; 6 s is the least that Kafka allows by default.
MEMBER = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 500, "max_poll_interval_ms": 60_000}


def commit_of(offset, metadata=""):
    """2.0 has (offset, metadata); later versions added the leader epoch."""
    return OffsetAndMetadata(offset, metadata, -1) if IS_3 else OffsetAndMetadata(offset, metadata)


class Diary(ConsumerRebalanceListener):
    """What a member was given and had to give back, in order: ("+", partitions) and ("-", partitions)."""

    def __init__(self):
        self.entries = []

    def on_partitions_assigned(self, assigned):
        self.entries.append(("+", set(assigned)))

    def on_partitions_revoked(self, revoked):
        self.entries.append(("-", set(revoked)))

    on_partitions_lost = on_partitions_revoked


class Member(threading.Thread):
    """One group member in a thread of its own: polls, keeps what it got, commits after every poll."""

    def __init__(self, broker, topic, group, **config):
        super().__init__(daemon=True)
        self.consumer = consumer(broker, group_id=group, **{**MEMBER, **config})
        self.diary = Diary()
        self.consumer.subscribe([topic], listener=self.diary)
        self.values = []
        self.assigned = set()
        self.error = None
        self._stop_asked = threading.Event()
        self.start()

    def run(self):
        try:
            while not self._stop_asked.is_set():
                got = self.consumer.poll(timeout_ms=POLL_MS)
                self.assigned = set(self.consumer.assignment())
                for batch in got.values():
                    self.values.extend(record.value for record in batch)
                if got:
                    self.consumer.commit()
        except Exception as error:  # shown by leave(), in the test's own thread
            self.error = error
        finally:
            self.consumer.close()

    def leave(self):
        self._stop_asked.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), "a member did not stop"
        if self.error is not None:
            raise self.error


@pytest.fixture
def members(broker):
    joined = []

    def join(topic, group, **config):
        joined.append(Member(broker, topic, group, **config))
        return joined[-1]

    yield join
    for member in joined:
        member._stop_asked.set()
    for member in joined:
        member.join(PATIENCE_S)


def test_commit_then_resume(broker, unique, closing):
    topic, group = unique("resume"), unique("group")
    send_all(closing(producer(broker)), topic, [str(i).encode() for i in range(10)])
    first = consumer(broker, topic, group_id=group, max_poll_records=4, **MEMBER)
    seen = poll_until(first, lambda records: len(records) >= 4)
    first.commit()
    first.close()
    second = closing(consumer(broker, topic, group_id=group, **MEMBER))
    rest = poll_until(second, lambda records: len(records) >= 10 - len(seen))
    assert [int(record.value) for record in seen + rest] == list(range(10))


def test_commit_of_a_chosen_offset_with_metadata(broker, unique, closing):
    topic, group = unique("metadata"), unique("group")
    send_all(closing(producer(broker)), topic, [b"v"] * 5)
    tp = TopicPartition(topic, 0)
    reader = closing(consumer(broker, group_id=group))
    reader.assign([tp])
    assert reader.committed(tp) is None
    reader.commit({tp: commit_of(3, "batch ünï 7")})
    assert reader.committed(tp) == 3
    assert reader.committed(tp, metadata=True).metadata == "batch ünï 7"
    other = closing(consumer(broker, group_id=group))
    other.assign([tp])
    assert other.position(tp) == 3


def test_commit_async_calls_back(broker, unique, closing):
    topic, group = unique("async"), unique("group")
    send_all(closing(producer(broker)), topic, [b"v"] * 5)
    tp = TopicPartition(topic, 0)
    reader = closing(consumer(broker, group_id=group))
    reader.assign([tp])
    poll_until(reader, lambda records: len(records) == 5)
    answers = []
    reader.commit_async(callback=lambda offsets, answer: answers.append((offsets, answer)))
    eventually(lambda: reader.poll(timeout_ms=50) or answers)
    assert not isinstance(answers[0][1], Exception)
    assert reader.committed(tp) == 5


def test_auto_commit_on_close(broker, unique, closing):
    topic, group = unique("auto"), unique("group")
    send_all(closing(producer(broker)), topic, [b"v"] * 5)
    first = consumer(
        broker, topic, group_id=group, enable_auto_commit=True, auto_commit_interval_ms=60_000, **MEMBER
    )
    poll_until(first, lambda records: len(records) == 5)
    first.close()
    reader = closing(consumer(broker, group_id=group))
    assert reader.committed(TopicPartition(topic, 0)) == 5


def test_two_members_share_rebalance_and_lose_nothing(broker, unique, closing, members):
    topic, group = unique("shared"), unique("group")
    closing(admin(broker)).create_topics([NewTopic(topic, 4, 1)])
    sender = closing(producer(broker))
    everything = {TopicPartition(topic, p) for p in range(4)}

    def send(numbers):
        for i in numbers:
            sender.send(topic, value=str(i).encode(), partition=i % 4)
        sender.flush(timeout=30)

    first = members(topic, group)
    eventually(lambda: first.assigned == everything)
    send(range(100))
    eventually(lambda: len(first.values) >= 100)

    second = members(topic, group)
    eventually(lambda: len(first.assigned) == 2 and len(second.assigned) == 2)
    assert first.assigned | second.assigned == everything
    send(range(100, 300))
    eventually(lambda: len(set(first.values) | set(second.values)) == 300)
    assert len(second.values) >= 100, "the second member's half"

    first.leave()
    eventually(lambda: second.assigned == everything)
    send(range(300, 400))
    eventually(lambda: len(set(first.values) | set(second.values)) == 400)
    second.leave()

    # Every poll was committed and members left politely, so nothing was read twice.
    assert sorted(map(int, first.values + second.values)) == list(range(400))


def test_a_member_that_vanishes_is_replaced_after_its_session(broker, unique, closing, members):
    topic, group = unique("vanish"), unique("group")
    closing(admin(broker)).create_topics([NewTopic(topic, 2, 1)])
    send_all(closing(producer(broker)), topic, [b"v"] * 4, partition=1)
    ghost = subprocess.Popen([sys.executable, GHOST, broker.bootstrap, topic, group], stdout=subprocess.PIPE)
    try:
        assert ghost.stdout.readline().strip() == b"joined"
    finally:
        ghost.kill()
        ghost.wait()
        ghost.stdout.close()
    heir = members(topic, group)
    eventually(lambda: len(heir.assigned) == 2 and len(heir.values) >= 4)


@pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 has no static members")
def test_a_static_member_restarts_and_nobody_rebalances(broker, unique, closing, members):
    topic, group = unique("static"), unique("group")
    closing(admin(broker)).create_topics([NewTopic(topic, 2, 1)])
    static = {name: members(topic, group, group_instance_id=name) for name in ("one", "two")}
    eventually(lambda: all(len(member.assigned) == 1 for member in static.values()))

    def generation(member):
        return member.consumer.group_metadata().generation_id

    eventually(lambda: generation(static["one"]) == generation(static["two"]))
    before = generation(static["one"])
    # One of the two leads: both have their turn.
    for name, other in (("one", "two"), ("two", "one")):
        had, written = static[name].assigned, len(static[other].diary.entries)
        static[name].leave()
        static[name] = members(topic, group, group_instance_id=name)
        eventually(lambda: static[name].assigned == had)
        assert generation(static[name]) == before
        assert len(static[other].diary.entries) == written, "the other has not noticed"
    # Both go on: a commit of either is taken in the old generation.
    send_all(closing(producer(broker)), topic, [b"0"], partition=0)
    send_all(closing(producer(broker)), topic, [b"1"], partition=1)
    eventually(lambda: all(len(member.values) == 1 for member in static.values()))


@pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 has no static members")
def test_a_static_name_has_one_owner(broker, unique, closing, members):
    from kafka.errors import FencedInstanceIdError

    topic, group = unique("fenced"), unique("group")
    closing(admin(broker)).create_topics([NewTopic(topic, 1, 1)])
    first = members(topic, group, group_instance_id="one")
    eventually(lambda: len(first.assigned) == 1)
    second = members(topic, group, group_instance_id="one")
    eventually(lambda: len(second.assigned) == 1)
    # The first is told with its next heartbeat, which it only logs; whoever wants to commit hears of it.
    send_all(closing(producer(broker)), topic, [b"0"])
    eventually(lambda: isinstance(first.error, FencedInstanceIdError))
    eventually(lambda: second.values == [b"0"])
    assert second.error is None and len(second.assigned) == 1


@pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 has no cooperative assignor")
def test_a_cooperative_rebalance_takes_no_more_than_it_must(broker, unique, closing, members):
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

    topic, group = unique("cooperative"), unique("group")
    closing(admin(broker)).create_topics([NewTopic(topic, 4, 1)])
    everything = {TopicPartition(topic, p) for p in range(4)}
    config = {"partition_assignment_strategy": [CooperativeStickyAssignor]}
    first = members(topic, group, **config)
    eventually(lambda: first.assigned == everything)
    second = members(topic, group, **config)
    eventually(lambda: len(first.assigned) == 2 and len(second.assigned) == 2)
    assert first.assigned | second.assigned == everything
    taken = set().union(*(partitions for what, partitions in first.diary.entries if what == "-"))
    assert taken == second.assigned, "and what the first kept was never taken from it"
    given = set().union(*(partitions for what, partitions in second.diary.entries if what == "+"))
    assert given == second.assigned


def test_a_late_topic_partition_is_picked_up(broker, unique, closing, members):
    topic, group = unique("grow"), unique("group")
    manager = closing(admin(broker))
    manager.create_topics([NewTopic(topic, 1, 1)])
    member = members(topic, group, metadata_max_age_ms=500)
    eventually(lambda: len(member.assigned) == 1)
    manager.create_partitions({topic: NewPartitions(3)})
    eventually(lambda: len(member.assigned) == 3)


def test_pattern_subscription(broker, unique, closing):
    stem = unique("pattern")
    sender = closing(producer(broker))
    for name in ("a", "b"):
        send_all(sender, f"{stem}.{name}", [name.encode()])
    reader = closing(consumer(broker, group_id=unique("group"), **MEMBER))
    reader.subscribe(pattern=f"^{stem}\\..*")
    records = poll_until(reader, lambda so_far: len(so_far) >= 2)
    assert {record.value for record in records} == {b"a", b"b"}


def test_groups_do_not_see_each_others_offsets(broker, unique, closing):
    topic = unique("apart")
    send_all(closing(producer(broker)), topic, [b"v"] * 3)
    tp = TopicPartition(topic, 0)
    for offset in (1, 2):
        reader = closing(consumer(broker, group_id=unique("group")))
        reader.assign([tp])
        assert reader.committed(tp) is None
        reader.commit({tp: commit_of(offset)})
        assert reader.committed(tp) == offset


def test_heartbeats_keep_a_slow_member_in(broker, unique, closing):
    """A member that works longer than its session between polls stays, since its heartbeats go on."""
    topic, group = unique("slow"), unique("group")
    send_all(closing(producer(broker)), topic, [b"v"] * 2)
    reader = closing(consumer(broker, topic, group_id=group, **MEMBER))
    poll_until(reader, lambda records: len(records) == 2)
    time.sleep(7)
    reader.commit()
    assert reader.committed(TopicPartition(topic, 0)) == 2
