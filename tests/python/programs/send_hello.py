"""Sends ten records to `recommendation`, waiting for each."""

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=["localhost:9092"])
for _ in range(10):
    metadata = producer.send("recommendation", b"hello").get(timeout=10)
    print(metadata.topic, metadata.partition, metadata.offset)
producer.close()
