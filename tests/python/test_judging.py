"""What answers were worth, features and windows, over the real program: events in, topics and HTTP out."""

import json
import time

import pytest
from clients import eventually
from test_http import call, get
from test_recommender import learnt, newest, send, small_log

pytestmark = pytest.mark.own_broker


def test_a_click_counts_for_the_answer_that_showed_the_item(own):
    send(own, small_log())
    learnt(own)
    status, answer = get(own, "/api/v1/users/dan/recommendations?model=item-cosine&scenario=home&n=2")
    assert status == 200 and len(answer["items"]) == 2
    rec_id, shown = answer["rec_id"], [item["item_id"] for item in answer["items"]]
    assert rec_id.split(".")[2:] == ["item-cosine", "", "", "home"]
    now = int(time.time() * 1000)

    def act(item, action, later, **more):
        event = {"user_id": "dan", "item_id": item, "action": action, "ts": now + later, **more}
        return json.dumps(event).encode()

    send(
        own,
        [
            *(act(item, "impression", 0, rec_id=rec_id) for item in shown),
            act(shown[0], "click", 1, rec_id=rec_id),
            # Without a name: by what was shown.
            act(shown[0], "purchase", 2, price=7.5, quantity=2),
            act(shown[1], "satisfaction", 3, rec_id=rec_id, value=4),
            # Another tenant's user and item of the same names, in another currency, and a part of it given back.
            act(shown[0], "purchase", 4, price=100, currency="EUR", order_id="o", tenant="acme"),
            act(shown[0], "refund", 5, price=40, order_id="o", tenant="acme"),
        ],
    )
    expected = {
        "ctr": (0.5, 1.0, 2),
        "cvr": (1.0, 1.0, 1),
        "aov": (15.0, 15.0, 1),
        "satisfaction": (4.0, 4.0, 1),
    }

    def told():
        status, told = get(own, "/api/v1/evaluation?model=item-cosine&scenario=home")
        figures = {row["metric"]: (row["value"], row["sum"], row["count"]) for row in told["figures"]}
        return told["figures"] if status == 200 and figures == expected else None

    ctr = next(row for row in eventually(told) if row["metric"] == "ctr")
    assert 0 < ctr["low"] < 0.5 < ctr["high"] < 1

    def of_tenant():
        told = get(own, "/api/v1/evaluation?tenant=acme&metric=aov&model=*")[1]
        return [(row["tenant"], row["currency"], row["sum"], row["count"]) for row in told["figures"]]

    eventually(lambda: of_tenant() == [("acme", "EUR", 60.0, 1)])

    def written():
        value = newest(own, "kindred.evaluation").get("ctr|all|item-cosine|home||")
        return value is not None and (value["sum"], value["count"]) == (1.0, 2)

    eventually(written)
    labels = 'arm="",currency="",experiment="",metric="ctr",model="item-cosine",scenario="home",tenant=""'
    assert f"kindred_evaluation{{{labels}}} 0.5\n" in call(own, "/metrics")[1]


def test_features_are_answered_and_written(own):
    send(own, small_log())
    learnt(own)
    status, dan = get(own, "/api/v1/users/dan/features")
    assert status == 200 and dan["totals"]["events"] == len(dan["last"]) > 0
    assert get(own, "/api/v1/users/nobody/features")[0] == 404
    eventually(lambda: newest(own, "kindred.features.users").get("dan", {}).get("totals") is not None)
    eventually(lambda: "A" in newest(own, "kindred.features.items"))


def test_windows_of_any_topic(start_broker):
    rule = "revenue: topic=orders field=total by=shop time=at size=1m aggregate=sum output=sums"
    broker = start_broker(settings={"recommender.windows": rule})
    start = 1_699_999_980_000
    orders = [("a", 5, 1000), ("b", 7, 2000), ("a", 6, 59_999), ("a", 1, 60_000)]
    values = [
        json.dumps({"shop": shop, "total": total, "at": start + at}).encode() for shop, total, at in orders
    ]
    send(broker, values, topic="orders")

    def written():
        sums = newest(broker, "sums")
        return {key: value["value"] for key, value in sums.items()} == {
            f"revenue|{start}|a": 11.0,
            f"revenue|{start}|b": 7.0,
        }

    eventually(written)
