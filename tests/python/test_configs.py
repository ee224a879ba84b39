"""What the administrative APIs keep: settings and ACLs, shown as they were set, in force, and there after a kill."""

import pytest
from clients import IS_3, admin, producer
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    NewTopic,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import MessageSizeTooLargeError

pytestmark = [
    pytest.mark.own_broker,
    pytest.mark.skipif(not IS_3, reason="the answers are shaped for kafka-python 3"),
]


def setting(manager, kind, name, key):
    """The value of one setting, as DescribeConfigs tells it."""
    resource = ConfigResource(kind, name, [key])
    described = manager.describe_configs([resource], config_filter="all")
    return described[kind.name.lower()][name][key]["value"]


def test_settings_of_a_topic_are_in_force_and_survive_a_kill(own):
    manager = admin(own)
    manager.create_topics([NewTopic("settled", 1, 1)])
    topic = ConfigResourceType.TOPIC
    manager.alter_configs([ConfigResource(topic, "settled", {"max.message.bytes": "2000"})])
    assert setting(manager, topic, "settled", "max.message.bytes") == "2000"
    manager.close()

    own.kill()
    own.start()

    manager = admin(own)
    assert setting(manager, topic, "settled", "max.message.bytes") == "2000"
    with pytest.raises(MessageSizeTooLargeError):
        send_5000_bytes(own, "settled")
    manager.reset_configs([ConfigResource(topic, "settled", ["max.message.bytes"])])
    assert send_5000_bytes(own, "settled").offset == 0
    manager.close()


def send_5000_bytes(broker, topic):
    """By a producer of its own: one whose batch was refused sends no more."""
    sender = producer(broker, acks="all")
    try:
        return sender.send(topic, bytes(5000)).get(30)
    finally:
        sender.close()


def test_settings_of_the_broker_reach_topics_that_have_none(own):
    manager = admin(own)
    manager.create_topics(
        [NewTopic("follows", 1, 1), NewTopic("own", 1, 1, topic_configs={"retention.ms": "1000"})]
    )
    manager.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", {"log.retention.ms": "5000"})])
    assert setting(manager, ConfigResourceType.TOPIC, "follows", "retention.ms") == "5000"
    assert setting(manager, ConfigResourceType.TOPIC, "own", "retention.ms") == "1000"
    assert setting(manager, ConfigResourceType.BROKER, "1", "log.retention.ms") == "5000"
    manager.close()


def test_acls_are_kept_and_found_by_pattern(own):
    own.announce("access control entry kept; nothing is enforced")
    own.announce("kept, and not enforced")
    entry = ACL(
        "User:ann",
        "*",
        ACLOperation.READ,
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType.TOPIC, "or", ACLResourcePatternType.PREFIXED),
    )
    meant = ACLFilter(
        None,
        None,
        ACLOperation.ANY,
        ACLPermissionType.ANY,
        ResourcePatternFilter(ResourceType.TOPIC, "orders", ACLResourcePatternType.MATCH),
    )
    manager = admin(own)
    assert manager.create_acls([entry])["succeeded"] == [entry]
    manager.close()

    own.kill()
    own.start()

    manager = admin(own)
    assert manager.describe_acls(meant)[0] == [entry]
    [(_, deleted, _)] = manager.delete_acls([meant])
    assert deleted == [entry]
    assert manager.describe_acls(meant)[0] == []
    manager.close()
