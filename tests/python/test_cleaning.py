"""What is refused goes to the dead-letter topic, and what is not goes where its user belongs."""

import json

import pytest
from clients import admin, consumer, eventually, producer, read_to_end
from kafka.admin import NewTopic
from test_http import call, get

pytestmark = pytest.mark.own_broker

DEAD_LETTERS = "kindred.events.dead-letter"
BASE_MS = 1_700_000_000_000


def records(broker, topic):
    """All of a topic, which may not be there yet."""
    reader = consumer(broker)
    try:
        if topic not in reader.topics():
            return []
    finally:
        reader.close()
    return read_to_end(broker, topic)


def headers(record):
    return {name: value.decode() for name, value in record.headers}


def hot(broker, scope="all"):
    """How often each item was acted on, or of a segment by how many people."""
    status, answer = get(broker, f"/api/v1/hot?window=all-time&scope={scope}")
    assert status == 200, answer
    return {item["item_id"]: item["count"] for item in answer["items"]}


def event(user, item, action="click", **more):
    return json.dumps({"user_id": user, "item_id": item, "action": action, **more}).encode()


def test_a_dead_letter_that_was_mended_counts_once_produced_again(own):
    sender = producer(own)
    good, bad = event("ann", "A", event_id="1"), event("ann", "B", "levitate", event_id="2")
    for value in (good, bad, b'{"user_id":', b"\xff\xfe", good):
        sender.send("user_behavior", key=b"ann", value=value, headers=[("trace", b"7")]).get(timeout=30)
    letters = eventually(lambda: (found := records(own, DEAD_LETTERS)) and len(found) == 4 and found)
    assert [(headers(letter)["kindred.reason"], headers(letter)["kindred.rule"]) for letter in letters] == [
        ("unknown-action", "recommender.action.weights"),
        ("not-an-event", "format"),
        ("not-text", "format"),
        ("duplicate", "recommender.dedup.ids.max"),
    ]
    assert [headers(letter)["kindred.offset"] for letter in letters] == ["1", "2", "3", "4"]
    assert hot(own) == {"A": 1}

    letter = letters[0]
    assert (letter.key, letter.value, headers(letter)["trace"]) == (b"ann", bad, "7")
    mended = letter.value.replace(b"levitate", b"view")
    came_with = [(name, value) for name, value in letter.headers if not name.startswith("kindred.")]
    topic = headers(letter)["kindred.topic"]
    for _ in range(2):
        sender.send(topic, key=letter.key, value=mended, headers=came_with).get(timeout=30)
    # The second is a duplicate of the first.
    eventually(lambda: len(records(own, DEAD_LETTERS)) == 5)
    assert hot(own) == {"A": 1, "B": 1}
    sender.close()


def test_a_dead_letter_that_its_topic_would_not_take_is_cut(own):
    sender = producer(own, max_request_size=2_000_000)
    # With the record and the batch around it, just what a topic takes; as a dead letter it has more headers.
    size = 1_048_588 - 200
    sender.send("user_behavior", key=b"k", value=b"x" * size, headers=[("trace", b"7")]).get(timeout=30)
    sender.send("user_behavior", value=event("ann", "A")).get(timeout=30)
    (letter,) = eventually(lambda: records(own, DEAD_LETTERS))
    assert headers(letter)["kindred.truncated"] == f"{size} bytes of value, 1 of key, 1 headers"
    assert headers(letter)["kindred.reason"] == "not-an-event"
    assert size - 1000 < len(letter.value) < size and set(letter.value) == {ord("x")}
    assert (letter.key, headers(letter)["trace"]) == (b"k", "7")
    eventually(lambda: hot(own) == {"A": 1})
    sender.close()


def test_a_copy_that_its_topic_would_not_take_is_a_dead_letter(start_broker):
    own = start_broker(settings={"recommender.segment.topics": "user_behavior", "num.partitions": "1"})
    client = admin(own)
    limits = {"max.message.bytes": "1000"}
    client.create_topics([NewTopic("user_behavior.unknown.unknown", 1, 1, topic_configs=limits)])
    client.close()
    sender = producer(own)
    large = event("ann", "B", note="x" * 2000)
    for value in (event("ann", "A"), large, event("ann", "C")):
        sender.send("user_behavior", key=b"ann", value=value, headers=[("trace", b"7")]).get(timeout=30)
    (letter,) = eventually(lambda: records(own, DEAD_LETTERS))
    told = headers(letter)
    assert (letter.key, letter.value, told["trace"]) == (b"ann", large, "7")
    assert (told["kindred.reason"], told["kindred.rule"]) == ("too-large", "max.message.bytes")
    assert told["kindred.topic"] == "user_behavior.unknown.unknown"
    eventually(lambda: hot(own) == {"A": 1, "B": 1, "C": 1})
    copies = eventually(
        lambda: (found := records(own, "user_behavior.unknown.unknown")) and len(found) == 2 and found
    )
    assert [json.loads(copy.value)["item_id"] for copy in copies] == ["A", "C"]
    sender.close()


def test_people_of_an_age_and_gender_have_topics_and_lists(start_broker):
    """Twelve women and three men, as the users of MovieLens 100K are described: age in years, F or M."""
    own = start_broker(settings={"recommender.segment.topics": "user_behavior", "num.partitions": "1"})
    sender = producer(own)
    for number in range(15):
        user = {"user_id": number, "age": 25 + number % 10, "gender": "F" if number < 12 else "M"}
        sender.send("users", key=str(number).encode(), value=json.dumps(user).encode()).get(timeout=30)
    eventually(lambda: "\nkindred_recommender_records_total 15\n" in call(own, "/metrics")[1])
    sent = []
    for number in [*range(15), 99]:
        value = event(number, "lamp" if number % 2 else "desk", "view")
        future = sender.send(
            "user_behavior",
            key=b"%d" % number,
            value=value,
            headers=[("trace", b"%d" % number)],
            timestamp_ms=BASE_MS + number,
        )
        future.get(timeout=30)
        sent.append((b"%d" % number, value, [("trace", b"%d" % number)], BASE_MS + number))

    def routed(segment):
        found = records(own, f"user_behavior.{segment}")
        return [(record.key, record.value, record.headers, record.timestamp) for record in found]

    eventually(lambda: len(routed("unknown.unknown")) == 1)
    assert [routed(segment) for segment in ("25-34.F", "25-34.M", "unknown.unknown")] == [
        sent[:12],
        sent[12:15],
        sent[15:],
    ]
    assert hot(own, "segment=age:25-34,gender:F") == {"lamp": 6, "desk": 6}
    # Three are too few to be told of, by themselves or within a sum.
    assert hot(own, "segment=gender:M") == {}
    assert hot(own, "segment=age:25-34") == {"lamp": 6, "desk": 6}

    def lists():
        written = {record.key.decode(): record.value for record in records(own, "kindred.hot")}
        return {key for key in written if key.startswith("segment=")}

    keys = ["age:25-34", "age:25-34,gender:F", "gender:F"]
    assert eventually(lists) == {f"segment={key}/all-time" for key in keys}
    sender.close()
