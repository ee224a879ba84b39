"""Questions and replies over topics: `kindred.requests` in, `kindred.responses` or the topic of a header out."""

import json

import pytest
from clients import IS_3, admin, consumer, eventually, producer, read
from kafka import TopicPartition
from kafka.admin import NewTopic
from test_http import get, post
from test_recommender import learnt, send, small_log

pytestmark = [
    pytest.mark.own_broker,
    pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 cannot read committed records only"),
]

REQUESTS = "kindred.requests"
RESPONSES = "kindred.responses"


def ask(sender, body, correlation=b"1", reply_topic=None, key=b"k"):
    """Sends a question; a body in bytes is sent as it is."""
    headers = [("correlation-id", correlation)]
    if reply_topic is not None:
        headers.append(("reply-topic", reply_topic))
    value = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sender.send(REQUESTS, key=key, value=value, headers=headers).get(timeout=30)


def committed(broker, topic, count):
    return read(broker, topic, count, isolation_level="read_committed")


def test_a_reply_has_the_key_and_headers_of_its_question(own, closing):
    send(own, small_log())
    learnt(own)
    sender = closing(producer(own))
    ask(sender, {"user_id": "dan", "explain": True}, b"\x00\xff 1")
    ask(sender, {"items": ["B"], "n": 2}, b"2", key=None)
    ask(sender, {"user_id": "dan", "candidates": ["C", "Z"]}, b"3")
    ask(sender, {"users": ["dan", "eve"]}, b"4")
    replies = {dict(reply.headers)["correlation-id"]: reply for reply in committed(own, RESPONSES, 4)}
    assert replies[b"\x00\xff 1"].key == b"k" and replies[b"2"].key is None
    answers = {correlation: json.loads(reply.value) for correlation, reply in replies.items()}
    of_dan = answers[b"\x00\xff 1"]
    assert {item["item_id"] for item in of_dan["items"]} == {"A", "C"} and of_dan["rec_id"]
    assert all(item["reasons"] for item in of_dan["items"])
    assert len(answers[b"2"]["items"]) == 2 and "user_id" not in answers[b"2"]
    assert [item["item_id"] for item in answers[b"3"]["items"]] == ["C"] and answers[b"3"]["unknown"] == ["Z"]
    assert [answer["user_id"] for answer in answers[b"4"]["answers"]] == ["dan", "eve"]


def test_a_question_has_the_same_answer_over_http(own, closing):
    send(own, small_log())
    learnt(own)
    question = {"items": ["A"], "explain": True, "diversity": 20, "exclude": ["C"]}
    status, over_http = post(own, "/api/v1/sessions/recommend", question)
    assert status == 200
    ask(closing(producer(own)), question)
    assert json.loads(committed(own, RESPONSES, 1)[0].value) == over_http


def test_replies_go_where_the_header_says(own, closing):
    sender = closing(producer(own))
    ask(sender, {"user_id": "eve"}, b"mine", reply_topic=b"answers.of.mine")
    reply = committed(own, "answers.of.mine", 1)[0]
    assert dict(reply.headers)["correlation-id"] == b"mine"
    assert json.loads(reply.value)["kind"] == "unknown-user"


@pytest.mark.parametrize(
    "topic",
    [
        b"",
        b"..",
        b"a b",
        b"\xff",
        b"__consumer_offsets",
        b"__transaction_state",
        b"kindred.requests",
        b"kindred.hot",
        b"user_behavior",
        b"items",
    ],
)
def test_a_bad_reply_topic_is_refused(own, closing, topic):
    ask(closing(producer(own)), {"user_id": "eve"}, b"7", reply_topic=topic)
    reply = committed(own, RESPONSES, 1)[0]
    assert dict(reply.headers)["correlation-id"] == b"7"
    assert json.loads(reply.value)["error"]["code"] == "bad-reply-topic", reply.value


def test_bad_questions_are_answered_with_an_error_and_stop_nothing(own, closing):
    sender = closing(producer(own))
    questions = [
        (b"{", "bad-json"),
        (None, "bad-json"),
        ({}, "bad-parameter"),
        ({"user_id": "eve", "n": 0}, "bad-parameter"),
        ({"user_id": "eve", "m": 1}, "unknown-parameter"),
        ({"item_id": "nothing"}, "unknown-item"),
    ]
    for number, (question, _) in enumerate(questions):
        ask(sender, question, str(number).encode())
    ask(sender, {"user_id": "eve"}, b"last")
    replies = committed(own, RESPONSES, len(questions) + 1)
    codes = [json.loads(reply.value).get("error", {}).get("code") for reply in replies]
    assert codes == [code for _, code in questions] + [None]


def test_replies_that_cannot_be_written_say_so(closing, start_broker):
    strict = start_broker("strict", {"auto.create.topics.enable": "false"})
    manager = closing(admin(strict))
    made = {REQUESTS: {}, "user_behavior": {}, "small": {"max.message.bytes": "2048"}}
    made["compacted"] = {"cleanup.policy": "compact"}
    manager.create_topics([NewTopic(name, 1, 1, topic_configs=configs) for name, configs in made.items()])
    events = [{"user_id": n % 7, "item_id": f"item {n:060}", "action": "view"} for n in range(40)]
    send(strict, [json.dumps(event).encode() for event in events])
    eventually(lambda: len(get(strict, "/api/v1/hot?n=100")[1]["items"]) == len(events))
    sender = closing(producer(strict))
    ask(sender, {"user_id": "eve"}, b"1", reply_topic=b"missing")
    ask(sender, {"user_id": "eve"}, b"2", reply_topic=b"compacted", key=None)
    ask(sender, {"user_id": "eve", "n": 40}, b"3", reply_topic=b"small")
    ask(sender, {"user_id": "eve", "n": 1}, b"4", reply_topic=b"small")
    codes = [json.loads(reply.value)["error"]["code"] for reply in committed(strict, RESPONSES, 3)]
    assert codes == ["bad-reply-topic", "bad-reply-topic", "reply-too-large"]
    assert len(json.loads(committed(strict, "small", 1)[0].value)["items"]) == 1


def test_every_question_of_a_killed_broker_has_one_reply(start_broker):
    broker = start_broker("killed")
    send(broker, small_log())
    learnt(broker)
    questions = 60
    for number in range(questions):
        sender = producer(broker)
        ask(sender, {"user_id": "dan"}, str(number).encode())
        sender.close()
        if number % 20 == 19:
            broker.kill()
            broker.start()
    eventually(lambda: len(correlations(broker)) >= questions)
    assert sorted(correlations(broker), key=int) == [str(number).encode() for number in range(questions)]


def correlations(broker):
    """Of every committed reply."""
    reader = consumer(broker, isolation_level="read_committed", consumer_timeout_ms=3000)
    try:
        partition = TopicPartition(RESPONSES, 0)
        reader.assign([partition])
        return [dict(reply.headers)["correlation-id"] for reply in reader]
    finally:
        reader.close()
