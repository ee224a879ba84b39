"""Behaviour in, recommendations out, through topics only. The expected numbers are worked out by hand here.

The small log, a click each, in this order:

    ann: A B C        bob: A B        cat: A C        dan: B

so that n_A = 3, n_B = 3, n_C = 2 users came to each item, of N = 4, and
A with B: 2 users, A with C: 2 users, B with C: 1 user.
"""

import json
from math import log, sqrt

import pytest
from clients import admin, consumer, eventually, producer, read_to_end
from kafka import TopicPartition
from test_admin import describe_group, group_offsets

pytestmark = pytest.mark.own_broker

BASE_MS = 1_700_000_000_000
SMALL_LOG = [
    ("ann", "A"),
    ("ann", "B"),
    ("ann", "C"),
    ("bob", "A"),
    ("bob", "B"),
    ("cat", "A"),
    ("cat", "C"),
    ("dan", "B"),
]


def event(user, item, minute, **more):
    body = {"user_id": user, "item_id": item, "action": "click", "ts": BASE_MS + minute * 60_000, **more}
    return json.dumps(body).encode()


def small_log():
    return [event(user, item, minute) for minute, (user, item) in enumerate(SMALL_LOG)]


def send(broker, values, topic="user_behavior", **fields):
    sender = producer(broker)
    for value in values:
        sender.send(topic, value=value, **fields).get(timeout=30)
    sender.close()


def send_in_one_batch(broker, values, topic="user_behavior"):
    """So that all of it is learnt before any list is written: a list is not written again for what others count."""
    sender = producer(broker, linger_ms=5000)
    sent = [sender.send(topic, value=value) for value in values]
    sender.flush(timeout=30)
    assert [future.get(timeout=30).offset for future in sent] == list(range(len(values)))
    sender.close()


def newest(broker, topic):
    """The newest value of each key, as a reader of the compacted topic sees it; nothing if there is no topic yet."""
    reader = consumer(broker)
    try:
        if topic not in reader.topics():
            return {}
    finally:
        reader.close()
    values = {record.key.decode(): record.value for record in read_to_end(broker, topic)}
    return {key: json.loads(value) for key, value in values.items() if value is not None}


def settled(broker, topic, key, good):
    """The newest value of `key`, as soon as it satisfies `good`."""
    return eventually(lambda: (value := newest(broker, topic).get(key)) and good(value) and value)


def learnt(broker):
    """Waits until the whole small log stands in the lists of similar items, and gives them."""

    def all_there():
        lists = newest(broker, "kindred.similar-items")
        pairs = {item: sum(other["count"] for other in found["items"]) for item, found in lists.items()}
        return lists if pairs == {"A": 4, "B": 3, "C": 3} else None

    return eventually(all_there)


def test_similar_items_have_the_counts_of_the_log(own):
    send_in_one_batch(own, small_log())
    lists = learnt(own)

    def pair(one, other):
        (found,) = [item for item in lists[one]["items"] if item["item_id"] == other]
        return found

    for one, other, both, n_one, n_other, weight in [
        # weight: 1/sqrt(d) for each meeting; C came two after A for ann, next to it for cat.
        ("A", "B", 2, 3, 3, 1 + 1),
        ("A", "C", 2, 3, 2, 1 / sqrt(2) + 1),
        ("B", "C", 1, 3, 2, 1),
    ]:
        for here, there, n_here, n_there in [(one, other, n_one, n_other), (other, one, n_other, n_one)]:
            found = pair(here, there)
            assert found["count"] == both
            assert found["weight"] == pytest.approx(weight, abs=1e-3)
            assert found["cosine"] == pytest.approx(both / sqrt(n_here * n_there))
            assert found["jaccard"] == pytest.approx(both / (n_here + n_there - both))
            assert found["confidence"] == pytest.approx(both / n_here)
            assert found["lift"] == pytest.approx(both * 4 / (n_here * n_there))

    # G2 of A and C: both 2, only A 1, only C 0, neither 1; rows 3 and 1, columns 2 and 2, of 4.
    g2 = 2 * (2 * log(2 * 4 / (3 * 2)) + 1 * log(1 * 4 / (3 * 2)) + 1 * log(1 * 4 / (1 * 2)))
    assert pair("A", "C")["llr"] == pytest.approx(g2)
    # A and B: both 2, only A 1, only B 1, neither 0. Rarer than chance (2 < 3 * 3 / 4), hence negative.
    g2 = 2 * (2 * log(2 * 4 / (3 * 3)) + 1 * log(1 * 4 / (3 * 1)) + 1 * log(1 * 4 / (1 * 3)))
    assert pair("A", "B")["llr"] == pytest.approx(-g2)

    # Ranked by cosine: C (0.816) before B (0.667).
    assert [item["item_id"] for item in lists["A"]["items"]] == ["C", "B"]
    assert [item["score"] for item in lists["A"]["items"]] == pytest.approx([2 / sqrt(6), 2 / 3])


def test_coming_back_is_not_another_user(own):
    send(own, [*small_log(), event("ann", "A", 100), event("ann", "A", 101)])
    similar = settled(
        own, "kindred.similar-items", "A", lambda found: sum(i["weight"] for i in found["items"]) > 4
    )
    assert {item["item_id"]: item["count"] for item in similar["items"]} == {"B": 2, "C": 2}


def test_hot_items_are_counted(own):
    send(own, small_log())
    hot = settled(
        own, "kindred.hot", "all/all-time", lambda found: sum(i["count"] for i in found["items"]) == 8
    )
    assert {item["item_id"]: item["count"] for item in hot["items"]} == {"A": 3, "B": 3, "C": 2}
    assert hot["items"][-1]["item_id"] == "C"
    # The last minutes of the log: minutes 4 to 7 are bob B, cat A, cat C, dan B.
    lists = newest(own, "kindred.hot")
    assert {"all/1m", "all/5m", "all/1h", "all/24h", "all/7d", "all/decayed", "all/all-time"} <= set(lists)
    assert [item["item_id"] for item in lists["all/1m"]["items"]] == ["B"]


def test_recommendations_leave_out_the_seen_and_give_reasons(own):
    send(own, small_log())
    for_dan = settled(own, "kindred.recommendations", "dan", lambda found: len(found["items"]) == 2)
    assert {item["item_id"] for item in for_dan["items"]} == {"A", "C"}
    assert for_dan["kind"] == "personal" and for_dan["user_id"] == "dan" and for_dan["rec_id"]
    scores = [item["score"] for item in for_dan["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in for_dan["items"]:
        assert item["reasons"], item
        cited = [because for reason in item["reasons"] for because in reason.get("because", [])]
        assert {because["item_id"] for because in cited} == {"B"}, "dan did nothing else"
        assert {because["count"] for because in cited} == {2 if item["item_id"] == "A" else 1}
        # Evidence names the record: the eighth of the topic.
        assert all(
            because["event"].startswith("user_behavior-0") and because["event"].endswith("7")
            for because in cited
        )
    # Ann has seen everything; whatever is left for her is nothing that she has seen.
    assert newest(own, "kindred.recommendations").get("ann", {"items": []})["items"] == []


def test_other_forms_of_events_are_understood(own):
    send(own, [b"{'user_id': 1, 'item_id': 1001, 'action': 'click'}", b"1001:view"])
    send(own, [b'{"user_id": "u", "item_id": 1001}'], topic="viewed-movies")
    send(own, [event("u", "1002", 0, action="view") for _ in range(2)], topic="recommendation")
    hot = settled(
        own, "kindred.hot", "all/all-time", lambda found: sum(i["count"] for i in found["items"]) == 5
    )
    assert {item["item_id"]: item["count"] for item in hot["items"]} == {"1001": 3, "1002": 2}


def test_titles_come_from_the_items_topic(own):
    send(own, [b'{"item_id": "A", "title": "The Aardvark"}'], topic="items", key=b"A")
    send(own, small_log())
    lists = learnt(own)
    assert {item["item_id"]: item.get("title") for item in lists["B"]["items"]} == {
        "A": "The Aardvark",
        "C": None,
    }


DEAD = [
    (b"hello", "not-an-event"),
    (b"\xff\xfe\x00", "not-text"),
    (b"[1, 2", "not-an-event"),
    (b'{"user_id": 1, "action": "click"}', "missing-item-id"),
    (b'{"item_id": 1, "action": "click"}', "missing-user-id"),
    (b'{"user_id": 1, "item_id": 1}', "missing-action"),
    (b'{"user_id": 1, "item_id": 1, "action": "juggle"}', "unknown-action"),
    (b'{"user_id": 1, "item_id": 1, "action": "click", "ts": "yesterday"}', "bad-time"),
    (b'{"user_id": 1, "item_id": 1, "action": "click", "ts": 99999999999999}', "too-far-ahead"),
    (b'{"user_id": 1, "item_id": "' + b"x" * 1000 + b'", "action": "click"}', "id-too-long"),
    (b'{"user_id": {}, "item_id": 1, "action": "click"}', "malformed"),
]


def test_dead_letters_say_why(own):
    sender = producer(own)
    for value, _ in DEAD:
        sender.send("user_behavior", value=value, key=b"the key", headers=[("mine", b"kept")]).get(timeout=30)
    once = event("ann", "A", 0, event_id="e-1")
    for value in (once, once):
        sender.send("user_behavior", value=value, key=b"the key").get(timeout=30)
    sender.send("user_behavior", value=None, key=b"the key").get(timeout=30)
    sender.close()
    expected = [*DEAD, (once, "duplicate"), (None, "empty")]

    def all_there():
        letters = (
            read_to_end(own, "kindred.events.dead-letter")
            if "kindred.events.dead-letter" in topics(own)
            else []
        )
        return letters if len(letters) == len(expected) else None

    letters = eventually(all_there)
    for letter, (value, reason) in zip(letters, expected, strict=True):
        headers = dict(letter.headers)
        assert letter.value == value, reason
        assert headers["kindred.reason"] == reason.encode(), value
        assert headers["kindred.topic"] == b"user_behavior" and headers["kindred.partition"] == b"0"
        assert headers["kindred.message"]
    offsets = [int(dict(letter.headers)["kindred.offset"]) for letter in letters]
    assert offsets == [*range(len(DEAD)), len(DEAD) + 1, len(DEAD) + 2]
    assert all(
        letter.key == b"the key" and dict(letter.headers)["mine"] == b"kept"
        for letter in letters[: len(DEAD)]
    )


def topics(broker):
    reader = consumer(broker)
    try:
        return reader.topics()
    finally:
        reader.close()


def test_progress_is_a_consumer_group(own):
    send(own, small_log())
    manager = admin(own)
    try:
        behaviour = TopicPartition("user_behavior", 0)
        assert eventually(lambda: group_offsets(manager, "kindred-recommender").get(behaviour) == 8)
        group = describe_group(manager, "kindred-recommender")
        assert (group["state"], group["protocol_type"], len(group["members"])) == ("Stable", "consumer", 1)
    finally:
        manager.close()


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGKILL"])
def test_a_restart_rebuilds_the_same_from_the_log(own, stop):
    send(own, small_log())
    before = learnt(own)
    if stop == "SIGTERM":
        assert own.terminate() == 0
    else:
        own.kill()
    own.start()
    assert newest(own, "kindred.similar-items") == before
    # One more user of A and B: counts go on from where they were.
    send(own, [event("eve", "A", 20), event("eve", "B", 21)])
    similar = settled(
        own, "kindred.similar-items", "A", lambda found: sum(i["count"] for i in found["items"]) == 5
    )
    assert {item["item_id"]: item["count"] for item in similar["items"]} == {"B": 3, "C": 2}


def test_compressed_events_are_learnt(own):
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        sender = producer(own, compression_type=codec, linger_ms=50)
        futures = [sender.send("user_behavior", value=event(f"{codec}-{i}", codec, i)) for i in range(50)]
        for future in futures:
            future.get(timeout=30)
        sender.close()
    hot = settled(
        own, "kindred.hot", "all/all-time", lambda found: sum(i["count"] for i in found["items"]) == 200
    )
    assert {item["item_id"]: item["count"] for item in hot["items"]} == dict.fromkeys(
        ("gzip", "snappy", "lz4", "zstd"), 50
    )
