"""The same click as Python writes a dict, a common mistake: single quotes, no JSON."""

from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers=["localhost:9092"],
    value_serializer=lambda value: str(value).encode("utf-8"),
)
producer.send("user_behavior", {"user_id": 1, "item_id": 1001, "action": "click"})
producer.flush()
producer.close()
