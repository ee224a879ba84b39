"""HTTP: health, metrics, and asking the recommender."""

import json
import urllib.error
import urllib.request

import pytest
from clients import eventually, read
from test_recommender import learnt, send, small_log

pytestmark = pytest.mark.own_broker


def call(broker, path, body=None):
    """(status, text) of a GET, or of a POST of `body` as JSON."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        broker.url + path, data=data, headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(broker, path):
    status, text = call(broker, path)
    return status, json.loads(text)


def post(broker, path, body):
    status, text = call(broker, path, body)
    return status, json.loads(text)


def test_health_readiness_and_metrics(own):
    assert call(own, "/healthz")[0] == 200
    # It listens before what it knew is back.
    eventually(lambda: call(own, "/readyz")[0] == 200)
    send(own, [b"{}"], topic="counted")
    status, text = call(own, "/metrics")
    assert status == 200
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(samples) > 20 and all(" " in line for line in samples)
    assert all(line.startswith(("kindred_", "process_")) for line in samples), samples[:5]


def test_hot_similar_and_recommendations(own):
    send(own, small_log())
    learnt(own)
    status, hot = get(own, "/api/v1/hot?window=all-time&n=2")
    assert status == 200
    assert [(item["item_id"], item["count"]) for item in hot["items"]] in (
        [("A", 3), ("B", 3)],
        [("B", 3), ("A", 3)],
    )

    status, similar = get(own, "/api/v1/items/A/similar")
    assert status == 200
    assert [(item["item_id"], item["count"]) for item in similar["items"]] == [("C", 2), ("B", 2)]

    status, for_dan = get(own, "/api/v1/users/dan/recommendations?explain=true")
    assert status == 200
    assert {item["item_id"] for item in for_dan["items"]} == {"A", "C"}
    assert all(item["reasons"] for item in for_dan["items"])
    status, plain = get(own, "/api/v1/users/dan/recommendations")
    assert [item["item_id"] for item in plain["items"]] == [item["item_id"] for item in for_dan["items"]]
    assert all("reasons" not in item for item in plain["items"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/items/nothing/similar",
        "/api/v1/nonsense",
        "/nonsense",
    ],
)
def test_unknown_is_404_with_a_json_error(own, path):
    status, body = get(own, path)
    assert status == 404 and body["error"], body


def test_an_unknown_user_gets_hot_items_and_is_told_so(own):
    send(own, small_log())
    learnt(own)
    status, answer = get(own, "/api/v1/users/nobody/recommendations")
    assert (status, answer["kind"], answer["cold_start"]) == (200, "unknown-user", True)
    assert {item["item_id"] for item in answer["items"]} == {"A", "B", "C"}


def test_bad_parameters_are_400_with_a_json_error(own):
    for path in ("/api/v1/hot?n=many", "/api/v1/hot?window=fortnight", "/api/v1/hot?n=-1"):
        status, body = get(own, path)
        assert status == 400 and body["error"], (path, body)


def test_a_cold_user_gets_hot_items_and_is_told_so(own):
    send(own, small_log())
    # Known by attributes only: nothing to go by.
    send(own, [b'{"user_id": "zoe", "age": 30}'], topic="users", key=b"zoe")
    learnt(own)
    status, answer = eventually(
        lambda: (found := get(own, "/api/v1/users/zoe/recommendations"))[0] == 200 and found
    )
    assert answer["kind"] == "cold-user"
    assert {item["item_id"] for item in answer["items"]} == {"A", "B", "C"}


def test_events_can_be_posted(own):
    body = {"user_id": "http", "item_id": "X", "action": "click"}
    status, answer = post(own, "/api/v1/events", body)
    assert status in (200, 202), answer
    assert json.loads(read(own, "user_behavior", 1)[0].value) == body
    hot = eventually(lambda: (found := get(own, "/api/v1/hot")[1])["items"] and found)
    assert [(item["item_id"], item["count"]) for item in hot["items"]] == [("X", 1)]


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[", {"user_id": 1, "item_id": 1}, {"user_id": 1, "action": "click"}]
)
def test_bad_events_are_400_with_a_json_error(own, body):
    status, answer = post(own, "/api/v1/events", body)
    assert status == 400 and answer["error"], answer


def test_likes_answer_by_code(own):
    send(own, small_log())
    learnt(own)
    status, answer = post(
        own, "/recommendation/likes", {"user_id": "ann", "content_id": "A", "title": "The Aardvark"}
    )
    assert (status, answer["code"]) == (200, 0), answer
    status, answer = post(
        own, "/recommendation/likes", {"user_id": "nobody", "content_id": "A", "title": "The Aardvark"}
    )
    assert answer["code"] == 1000, answer
    status, answer = post(own, "/recommendation/likes", b"not json")
    assert answer["code"] == 2000, answer
