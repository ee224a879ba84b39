"""Topics, partitions, configs, groups and their offsets, through each client's own admin class."""

import pytest
from clients import IS_3, admin, consumer, eventually, poll_until, producer, send_all
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import (
    InvalidPartitionsError,
    InvalidTopicError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)


@pytest.fixture
def manager(broker, closing):
    return closing(admin(broker))


def partitions_of(broker, topic):
    reader = consumer(broker)
    try:
        return reader.partitions_for_topic(topic)
    finally:
        reader.close()


def test_create_list_describe_and_delete_topics(broker, manager, unique):
    names = [unique("made") for _ in range(3)]
    manager.create_topics([NewTopic(name, 2, 1) for name in names])
    assert set(names) <= set(listed(manager))
    for description in manager.describe_topics(names):
        name = description.get("name") or description.get("topic")
        assert name in names and len(description["partitions"]) == 2
        for partition in description["partitions"]:
            leader = partition.get("leader_id", partition.get("leader"))
            assert leader >= 0
    manager.delete_topics(names)
    assert eventually(lambda: not set(names) & set(listed(manager)))


def listed(manager):
    topics = manager.list_topics()
    return [topic if isinstance(topic, str) else topic["name"] for topic in topics]


def test_creating_a_topic_twice_is_an_error(manager, unique):
    name = unique("twice")
    manager.create_topics([NewTopic(name, 1, 1)])
    with pytest.raises(TopicAlreadyExistsError):
        manager.create_topics([NewTopic(name, 1, 1)])


def test_validate_only_makes_nothing(manager, unique):
    name = unique("dry")
    manager.create_topics([NewTopic(name, 1, 1)], validate_only=True)
    assert name not in listed(manager)


def test_deleting_an_unknown_topic_is_an_error(manager, unique):
    with pytest.raises(UnknownTopicOrPartitionError):
        manager.delete_topics([unique("never")])


@pytest.mark.parametrize("name", ["", "no spaces", "a/b", "..", "x" * 250])
def test_bad_topic_names_are_refused(manager, name):
    with pytest.raises(InvalidTopicError):
        manager.create_topics([NewTopic(name, 1, 1)])


def test_a_deleted_topic_made_again_is_empty(broker, manager, unique, closing):
    name = unique("again")
    send_all(closing(producer(broker)), name, [b"old"] * 5)
    manager.delete_topics([name])
    eventually(lambda: name not in listed(manager))
    manager.create_topics([NewTopic(name, 1, 1)])
    assert send_all(closing(producer(broker)), name, [b"new"]) == [0]


def test_partitions_can_be_added_but_not_taken(broker, manager, unique):
    name = unique("grown")
    manager.create_topics([NewTopic(name, 2, 1)])
    manager.create_partitions({name: NewPartitions(5)})
    assert eventually(lambda: partitions_of(broker, name) == {0, 1, 2, 3, 4})
    with pytest.raises(InvalidPartitionsError):
        manager.create_partitions({name: NewPartitions(3)})


def test_describe_configs_of_a_topic(manager, unique):
    name = unique("configured")
    settings = {"retention.ms": "123456", "cleanup.policy": "compact"}
    manager.create_topics([NewTopic(name, 1, 1, topic_configs=settings)])
    shown = configs_of(manager, ConfigResourceType.TOPIC, name)
    assert shown["retention.ms"] == "123456"
    assert shown["cleanup.policy"] == "compact"
    # What was not set is listed too, with its default.
    assert shown["segment.bytes"] == str(1 << 30)
    assert {"max.message.bytes", "min.insync.replicas", "compression.type", "message.timestamp.type"} <= set(
        shown
    )


def test_describe_configs_of_the_broker(manager):
    node = str(node_id(manager))
    shown = configs_of(manager, ConfigResourceType.BROKER, node)
    assert {"log.dirs", "num.partitions", "message.max.bytes"} <= set(shown)


def node_id(manager):
    brokers = manager.describe_cluster()["brokers"]
    return brokers[0].get("node_id", brokers[0].get("broker_id"))


def configs_of(manager, kind, name):
    """{name: value} whichever shape the client answers in."""
    resource = ConfigResource(kind, name)
    if IS_3:
        answer = manager.describe_configs([resource], config_filter="all")
        return flatten_3(answer, name)
    (response,) = manager.describe_configs([resource])
    (found,) = response.resources
    error_code, _message, _type, shown_name, entries = found
    assert (error_code, shown_name) == (0, name)
    return {entry[0]: entry[1] for entry in entries}


def flatten_3(answer, name):
    (by_name,) = answer.values()
    return {key: entry["value"] for key, entry in by_name[name].items()}


def test_describe_cluster(broker, manager):
    cluster = manager.describe_cluster()
    assert len(cluster["cluster_id"]) == 22
    assert cluster["controller_id"] == node_id(manager)
    (only,) = cluster["brokers"]
    assert only["port"] == int(broker.bootstrap.rsplit(":", 1)[1])


def test_groups_are_listed_described_and_deleted(broker, manager, unique, closing):
    topic, group = unique("watched"), unique("group")
    send_all(closing(producer(broker)), topic, [b"v"] * 3)
    member = consumer(broker, topic, group_id=group, client_id="the-member")
    poll_until(member, lambda records: len(records) == 3)
    member.commit()

    assert group in listed_groups(manager)
    description = describe_group(manager, group)
    assert (description["state"], description["protocol_type"]) == ("Stable", "consumer")
    (only,) = description["members"]
    assert only["client_id"] == "the-member" and "127.0.0.1" in only["client_host"]

    member.close()
    assert eventually(lambda: describe_group(manager, group)["state"] == "Empty")
    assert group_offsets(manager, group) == {TopicPartition(topic, 0): 3}
    assert delete_group(manager, group) == "OK"
    assert group not in listed_groups(manager)
    assert group_offsets(manager, group) == {}


def test_a_group_with_members_cannot_be_deleted(broker, manager, unique, closing):
    topic, group = unique("held"), unique("group")
    send_all(closing(producer(broker)), topic, [b"v"])
    member = closing(consumer(broker, topic, group_id=group))
    poll_until(member, lambda records: records)
    assert delete_group(manager, group) == "NonEmptyGroupError"
    assert group in listed_groups(manager)


def listed_groups(manager):
    if IS_3:
        return [found["group_id"] for found in manager.list_groups()]
    return [name for name, _protocol in manager.list_consumer_groups()]


def describe_group(manager, group):
    if IS_3:
        found = manager.describe_groups([group])[group]
        return {
            "state": found["group_state"],
            "protocol_type": found["protocol_type"],
            "members": found["members"],
        }
    (found,) = manager.describe_consumer_groups([group])
    return {
        "state": found.state,
        "protocol_type": found.protocol_type,
        "members": [member._asdict() for member in found.members],
    }


def group_offsets(manager, group):
    if IS_3:
        answer = manager.list_group_offsets({group: None})[group]
    else:
        answer = manager.list_consumer_group_offsets(group)
    return {tp: committed.offset for tp, committed in answer.items() if committed.offset >= 0}


def delete_group(manager, group):
    """The name of the error in the answer; "OK" for none."""
    if IS_3:
        return manager.delete_groups([group])[group]
    ((name, error),) = manager.delete_consumer_groups([group])
    assert name == group
    return "OK" if error is NoError else error.__name__


@pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 has no ListOffsets in its admin class")
def test_list_partition_offsets(broker, manager, unique, closing):
    from kafka.admin import OffsetSpec  # absent in 2.0

    topic = unique("listed")
    send_all(closing(producer(broker)), topic, [b"v"] * 4)
    tp = TopicPartition(topic, 0)
    for spec, expected in ((OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 4)):
        assert manager.list_partition_offsets({tp: spec})[tp].offset == expected
