"""Joins a group, says so, and waits to be killed: a member that vanishes without leaving.

Usage: ghost_member.py BOOTSTRAP TOPIC GROUP
"""

import sys
import time

from kafka import KafkaConsumer

bootstrap, topic, group = sys.argv[1:]
consumer = KafkaConsumer(
    topic,
    bootstrap_servers=bootstrap,
    group_id=group,
    session_timeout_ms=6000,
    heartbeat_interval_ms=500,
    enable_auto_commit=False,
)
deadline = time.monotonic() + 60
while not consumer.assignment() and time.monotonic() < deadline:
    consumer.poll(timeout_ms=1000)
print("joined" if consumer.assignment() else "not joined", flush=True)
time.sleep(60)
