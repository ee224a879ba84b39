"""aiokafka: asyncio."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from scenario import BASE_MS, CODECS, LARGE, PATIENCE_S, bootstrap, name, run, same, values


def step(function):
    """Runs a coroutine function as a step."""

    def run_it():
        asyncio.run(asyncio.wait_for(function(), 3 * PATIENCE_S))

    run_it.__name__ = function.__name__
    return run_it


def consumer(*topics, **config):
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, **{**defaults, **config})


async def read(reader, count):
    records = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            for batch in (await reader.getmany(timeout_ms=200)).values():
                records.extend(batch)
    return records


@step
async def every_codec():
    for codec in CODECS:
        topic = name(codec)
        config = {} if codec == "none" else {"compression_type": codec}
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap, enable_idempotence=True, **config
        ) as producer:
            sent = [await producer.send(topic, v, key=b"k", headers=[("h", b"1")]) for v in values(codec)]
            same([(await one).offset for one in sent], list(range(100)))
        async with consumer(topic) as reader:
            records = await read(reader, 100)
        same([record.value for record in records], values(codec))
        assert all(record.key == b"k" and record.headers == (("h", b"1"),) for record in records)


@step
async def nulls_and_large_values():
    topic = name("sizes")
    sent = [(None, b""), (b"", None), (b"k", LARGE)]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for key, value in sent:
            await producer.send_and_wait(topic, value, key=key)
    async with consumer(topic) as reader:
        same([(record.key, record.value) for record in await read(reader, 3)], sent)


@step
async def group_resumes_and_rebalances():
    topic, group = name("group"), name("group")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for i, value in enumerate(values("group", 10)):
            await producer.send_and_wait(topic, value, partition=i % 2)
    async with consumer(topic, group_id=group, max_poll_records=4) as first:
        seen = await read(first, 4)
        await first.commit()
    async with consumer(topic, group_id=group, heartbeat_interval_ms=500) as second:
        seen += await read(second, 10 - len(seen))
        same(sorted(record.value for record in seen), sorted(values("group", 10)))
        await second.commit()
        async with consumer(topic, group_id=group, heartbeat_interval_ms=500) as third:
            async with asyncio.timeout(PATIENCE_S):
                while not len(second.assignment()) == len(third.assignment()) == 1:
                    await asyncio.gather(second.getmany(timeout_ms=100), third.getmany(timeout_ms=100))
    await admin.delete_topics([topic])
    await admin.close()


@step
async def offsets_by_time():
    topic = name("times")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for i in range(5):
            await producer.send_and_wait(topic, b"v", timestamp_ms=BASE_MS + i)
    async with consumer() as reader:
        partition = TopicPartition(topic, 0)
        found = await reader.offsets_for_times({partition: BASE_MS + 3})
        assert found[partition].offset == 3
        assert await reader.end_offsets([partition]) == {partition: 5}


run(every_codec, nulls_and_large_values, group_resumes_and_rebalances, offsets_by_time)
