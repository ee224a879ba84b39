"""Rules over any topic: predictions, anomalies, risk, alerts to a webhook. Expected numbers are worked out by hand here."""

import json
import random
import shutil
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import isclose, sqrt

import pytest
from clients import IS_3, PATIENCE_S, admin, consumer, eventually, poll_until, producer
from kafka import TopicPartition
from kindred_process import KindredProcess, clean_environment
from test_admin import group_offsets

pytestmark = pytest.mark.own_broker

BASE_MS = 1_699_999_980_000
MINUTE_MS = 60_000


def send(broker, topic, values, timestamp_ms=BASE_MS, **fields):
    sender = producer(broker)
    for value in values:
        value = value if isinstance(value, bytes) else json.dumps(value).encode()
        sender.send(topic, value=value, timestamp_ms=timestamp_ms, **fields).get(timeout=PATIENCE_S)
    sender.close()


def committed(broker, topic, count):
    """The first `count` committed records of a topic that the broker makes."""

    def is_there():
        reader = consumer(broker)
        try:
            return topic in reader.topics()
        finally:
            reader.close()

    eventually(is_there)
    # kafka-python 2.0 reads what is not committed too; nothing is aborted here.
    reader = consumer(broker, **({"isolation_level": "read_committed"} if IS_3 else {}))
    try:
        reader.assign([TopicPartition(topic, 0)])
        return poll_until(reader, lambda records: len(records) >= count)
    finally:
        reader.close()


def values(records):
    return [json.loads(record.value) for record in records]


def header(record, name):
    return dict(record.headers)[name].decode()


def test_a_topic_of_plain_numbers_is_predicted(start_broker):
    own = start_broker(settings={"recommender.regressions": "prices: topic=prices"})
    send(own, "prices", [b"10", b"12", b"NaN", b"ten", b"1e400", b"14"], key=b"tea")
    records = committed(own, "prices.predictions", 3)
    first, second, third = values(records)
    assert first == {"model": "prices", "truth": 10, "next": 10, "compared": 0, "evidence": "prices-0-0"}
    assert (second["prediction"], second["error"], second["rmse"]) == (10, -2, 2)
    # P = I/0.1 and x = (1, 10/8, 0, 0, 0) give theta = P x / (1 + x'Px) * 2; now x is (1, 12/8, 1, 0, 1).
    step = [10 * x / (1 + 10 * (1 + 1.25**2)) * 2 for x in (1, 1.25)]
    assert isclose(second["next"], 12 + step[0] + step[1] * 1.5)
    assert isclose(third["prediction"], second["next"]) and third["evidence"] == "prices-0-5"
    assert isclose(third["rmse"], sqrt((4 + third["error"] ** 2) / 2))
    assert [(record.key, record.timestamp) for record in records] == [(b"tea", BASE_MS)] * 3
    letters = committed(own, "kindred.events.dead-letter", 3)
    assert [record.value for record in letters] == [b"NaN", b"ten", b"1e400"]
    reasons = [(header(record, "kindred.reason"), header(record, "kindred.rule")) for record in letters]
    assert reasons == [("not-a-number", "prices"), ("not-a-number", "prices"), ("overflow", "prices")]
    assert header(letters[1], "kindred.offset") == "3" and header(letters[1], "kindred.topic") == "prices"


class Configured(KindredProcess):
    """A broker with a configuration file and variables besides."""

    def __init__(self, *arguments, file=None, environment=None):
        super().__init__(*arguments)
        self.file = file
        self.environment = environment or {}

    def command(self):
        program, serve, *rest = super().command()
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        config = ["--config", str(self.file)] if self.file else []
        return ["env", *variables, program, serve, *config, *rest]


@pytest.fixture
def configured(binary, tmp_path):
    brokers = []

    def start(text="", **environment):
        file = tmp_path / "kindred.toml"
        file.write_text(text)
        broker = Configured(binary, tmp_path, {}, 0, file=file, environment=environment)
        brokers.append(broker)
        return broker.start()

    yield start
    for broker in brokers:
        broker.close()


def test_rules_as_tables_of_a_file(configured):
    own = configured(
        """
        [recommender.regressions]
        houses = { topic = "houses", target = "price", features = ["size", "rooms"], output = "worth" }

        [recommender.monitors]
        logins = { topic = "logins", bucket = "1m", warmup = 4, threshold = 3.0, cooldown = "0s" }
        """
    )
    houses = [(50, 2), (80, 3), (120, 4), (60, 3), (200, 6), (90, 2)]
    send(own, "houses", [{"size": s, "rooms": r, "price": 10_000 + 2_000 * s + 5_000 * r} for s, r in houses])
    send(own, "houses", [{"size": 100, "rooms": 5}])
    *_, asked = values(committed(own, "worth", 7))
    assert abs(asked["prediction"] - 235_000) < 5 and "truth" not in asked and asked["compared"] == 6
    for minute, count in enumerate([4, 8, 4, 8, 14]):
        send(own, "logins", [b"{}"] * count, timestamp_ms=BASE_MS + minute * MINUTE_MS)
    # Mean 6, variance 4, of which chance explains 6: the fourteenth is three deviations away.
    (record,) = committed(own, "kindred.alerts", 1)
    (alert,) = values([record])
    assert isclose(alert.pop("z"), 8 / sqrt(6)) and isclose(alert.pop("deviation"), sqrt(6))
    window = {"from": BASE_MS + 4 * MINUTE_MS, "to": BASE_MS + 5 * MINUTE_MS}
    assert alert == {
        "alert": "anomaly",
        "rule": "logins",
        "topic": "logins",
        "measure": "count",
        "value": 14,
        "mean": 6,
        "window": window,
        "evidence": "logins-0-37",
    }
    assert record.key == b"logins"


def test_rules_from_the_environment_keep_a_robot_out(configured):
    rule = "fast: by=user limit=3 window=1m"
    own = configured(KINDRED_RECOMMENDER_RISK=rule)
    acts = [{"user_id": "bot", "item_id": item, "action": "view"} for item in "abcdef"]
    send(own, "user_behavior", [*acts, {"user_id": "ann", "item_id": "a", "action": "view"}])
    letters = committed(own, "kindred.events.dead-letter", 3)
    assert {(header(one, "kindred.reason"), header(one, "kindred.rule")) for one in letters} == {
        ("quarantined", "fast")
    }
    clean = values(committed(own, "kindred.events.clean", 4))
    assert [event["user_id"] for event in clean] == ["bot", "bot", "bot", "ann"]
    (alert,) = values(committed(own, "kindred.alerts", 1))
    assert (alert["subject"], alert["count"], alert["evidence"]) == ("bot", 4, "user_behavior-0-3")


def offsets_of(broker, group):
    manager = admin(broker)
    try:
        return group_offsets(manager, group)
    finally:
        manager.close()


RULES = {
    "recommender.regressions": "row: topic=numbers by=@key forgetting=0.99",
    "recommender.monitors": "each: topic=numbers field=. by=@key warmup=5 threshold=2.5 cooldown=0, "
    "rate: topic=numbers bucket=1s warmup=5 threshold=2 cooldown=0",
    "recommender.risk": "fast: by=user limit=8 window=10s, wide: by=user distinct=item limit=7 window=30s then=alert",
}


def everything_written(broker):
    """Every committed record of what rules write, once all there is has been learnt."""

    def is_settled():
        with urllib.request.urlopen(f"{broker.url}/metrics", timeout=PATIENCE_S) as answer:
            return b"\nkindred_recommender_settled 1\n" in answer.read()

    eventually(is_settled)
    reader = consumer(broker, isolation_level="read_committed")
    try:
        written = {}
        for topic in ["numbers.predictions", "kindred.alerts", "kindred.events.dead-letter", "kindred.events.clean"]:
            part = TopicPartition(topic, 0)
            reader.assign([part])
            reader.seek_to_beginning(part)
            end, records = reader.end_offsets([part])[part], []
            while reader.position(part) < end:
                for batch in reader.poll(timeout_ms=1000).values():
                    records.extend(batch)
            written[topic] = [(record.key, record.value, record.headers) for record in records]
        return written
    finally:
        reader.close()


@pytest.mark.skipif(not IS_3, reason="kafka-python 2.0 reads what is not committed too")
def test_what_rules_write_is_written_once_whatever_is_killed(start_broker, tmp_path):
    chance = random.Random(7)
    # The records are of 2023.
    kept = {"log.retention.ms": "-1"}
    off = start_broker("off", {**kept, "recommender.enable": "false"})
    sender = producer(off, linger_ms=5)
    for n in range(12_000):
        number = b"none" if chance.random() < 0.01 else str(chance.gauss(0, 1) ** 3).encode()
        sender.send("numbers", value=number, key=b"k%d" % chance.randrange(5), timestamp_ms=BASE_MS + n * 20)
        if n % 4 == 0:
            act = {"user_id": chance.randrange(40), "item_id": chance.randrange(30), "action": "view"}
            value = json.dumps(act).encode()
            sender.send("user_behavior", value=value, timestamp_ms=BASE_MS + n * 20)
    sender.flush(timeout=PATIENCE_S)
    sender.close()
    off.terminate()
    for name in ["whole", "killed"]:
        shutil.copytree(off.data, tmp_path / name / "data")

    expected = everything_written(start_broker("whole", {**RULES, **kept}))
    eager = {"recommender.emit.interval.ms": "1", "recommender.snapshot.interval.ms": "20"}
    killed = start_broker("killed", {**RULES, **kept, **eager})
    killed.announce("aborting a transaction that its coordinator does not know")
    for _ in range(8):
        time.sleep(chance.random() * 0.15)
        killed.kill()
        killed.start()
    found = everything_written(killed)
    assert {topic: len(records) for topic, records in found.items()} == {
        topic: len(records) for topic, records in expected.items()
    }
    assert found == expected
    assert all(len(records) > 20 for records in expected.values())


class Hook(BaseHTTPRequestHandler):
    """Remembers what was posted; the first post is answered with 503."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        posts = self.server.posts
        posts.append((self.path, self.headers["idempotency-key"], self.headers["content-type"], json.loads(body)))
        self.send_response(503 if len(posts) == 1 else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.posts = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_alerts_are_posted_again_until_they_are_taken_and_never_after(start_broker, hook):
    url = f"http://127.0.0.1:{hook.server_port}/alerts?of=kindred"
    rules = "sizes: topic=sizes field=. warmup=2 threshold=5 floor=1 cooldown=0"
    own = start_broker(settings={"recommender.monitors": rules, "recommender.alerts.webhook.url": url})
    send(own, "sizes", [b"1", b"1", b"100", b"1", b"5000"])
    alerts = values(committed(own, "kindred.alerts", 2))
    posts = eventually(lambda: len(hook.posts) == 3 and hook.posts)
    (first, again, second) = posts
    assert first == again and first[0] == "/alerts?of=kindred" and first[2] == "application/json"
    assert [first[3], second[3]] == alerts
    assert first[1].startswith("kindred.alerts-0-") and first[1] != second[1]
    # Behind the second alert and the marker of its transaction.
    taken = eventually(lambda: offsets_of(own, "kindred-alerts-webhook"))
    assert list(taken) == [TopicPartition("kindred.alerts", 0)]
    own.terminate()
    own.start()
    send(own, "sizes", [b"900000"])
    posts = eventually(lambda: len(hook.posts) >= 4 and hook.posts)
    assert posts[3][3]["value"] == 900000 and len(posts) == 4


@pytest.mark.parametrize(
    "setting, said",
    [
        (
            "recommender.monitors=a: topic=t colour=red",
            "rule `a`: field `colour` is unknown; there are topic, field, by, time, measure, season, bucket, alpha, "
            "warmup, threshold, side, cooldown, idle, floor, keys",
        ),
        (
            "recommender.monitors=a: topic=kindred.hot",
            "rule `a`: field `topic` is `kindred.hot`: topics that begin with `kindred.` or `__` are not for rules",
        ),
        ("recommender.windows=a: topic=t window=ewm", "rule `a`: field `halflife` is missing"),
        (
            "recommender.regressions=a: topic=t kind=cubic",
            "rule `a`: field `kind` is `cubic`, not one of linear, logistic",
        ),
        (
            "recommender.regressions=a: topic=t output=items",
            "`recommender.regressions`: rule `a` writes `items`, which is read",
        ),
        ("recommender.risk=a: by=user", "rule `a`: field `limit` is missing"),
        ("recommender.alerts.webhook.url=https://hooks/x", "https is not spoken: put a proxy that speaks it in between"),
    ],
)
def test_a_wrong_rule_is_one_line_that_names_it(binary, tmp_path, setting, said):
    ended = subprocess.run(
        [binary, "serve", "--set", f"log.dirs={tmp_path / 'data'}", "--set", setting],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    lines = (ended.stderr + ended.stdout).strip().splitlines()
    assert ended.returncode == 2 and len(lines) == 1, lines
    assert said in lines[0]
    assert not (tmp_path / "data").exists()
