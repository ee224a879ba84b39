"""Tells the recommender of one click."""

import json

from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers=["localhost:9092"],
    value_serializer=lambda value: json.dumps(value).encode("utf-8"),
)
producer.send("user_behavior", {"user_id": 1, "item_id": 1001, "action": "click"})
producer.flush()
producer.close()
