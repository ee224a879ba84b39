"""Behaviour in, recommendations out, through topics only: the numbers are worked out by hand."""

import json

import pytest
from clients import consumer, eventually, producer, read_to_end, send_all
from kafka import TopicPartition

pytestmark = pytest.mark.own_broker

BASE_MS = 1_700_000_000_000


def event(user, item, minute, action="click", **more):
    return json.dumps({"user_id": user, "item_id": item, "action": action, "ts": BASE_MS + minute * 60_000, **more}).encode()


def send_events(broker, events, topic="user_behavior"):
    sender = producer(broker)
    send_all(sender, topic, events)
    sender.close()


def latest(broker, topic):
    """The newest value of each key of an output topic, as a consumer of the compacted topic sees it."""
    return {record.key.decode(): json.loads(record.value) for record in read_to_end(broker, topic) if record.value is not None}


def value_of(broker, topic, key, good):
    """Waits until the newest value of `key` satisfies `good`."""
    return eventually(lambda: (value := latest_or_nothing(broker, topic).get(key)) and good(value) and value)


def latest_or_nothing(broker, topic):
    reader = consumer(broker)
    try:
        if topic not in reader.topics():
            return {}
    finally:
        reader.close()
    return latest(broker, topic)
