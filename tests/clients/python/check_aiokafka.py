"""aiokafka: asyncio."""

import asyncio

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from scenario import BASE_MS, CODECS, LARGE, ODD, PATIENCE_S, bootstrap, name, run, same, values


def step(function):
    """Runs a coroutine function as a step."""

    def run_it():
        return asyncio.run(asyncio.wait_for(function(), 3 * PATIENCE_S))

    run_it.__name__ = function.__name__
    return run_it


def consumer(*topics, **config):
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, **{**defaults, **config})


def producer(**config):
    return AIOKafkaProducer(bootstrap_servers=bootstrap, **config)


async def administrator():
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    return admin


async def send(topic, *records, **config):
    """`records`: keyword arguments of AIOKafkaProducer.send. Gives the offsets."""
    async with producer(**config) as one:
        sent = [await one.send(topic, **record) for record in records]
        return [(await future).offset for future in sent]


async def read(reader, count):
    records = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            for batch in (await reader.getmany(timeout_ms=200)).values():
                records.extend(batch)
    return records


async def read_topic(topic, count, **config):
    async with consumer(topic, **config) as reader:
        return await read(reader, count)


async def eventually(check):
    async with asyncio.timeout(PATIENCE_S):
        while not (result := await check()):
            await asyncio.sleep(0.05)
    return result


@step
async def topics():
    topic = name("topics")
    admin = await administrator()
    await admin.create_topics([NewTopic(topic, 3, 1)])
    assert topic in await admin.list_topics()
    same(len((await admin.describe_topics([topic]))[0]["partitions"]), 3)
    await admin.delete_topics([topic])

    async def gone():
        return topic not in await admin.list_topics()

    await eventually(gone)
    await admin.close()


@step
async def codecs():
    for codec in CODECS:
        topic = name(codec)
        config = {} if codec == "none" else {"compression_type": codec}
        same(await send(topic, *({"value": v} for v in values(codec)), **config), list(range(100)))
        same([record.value for record in await read_topic(topic, 100)], values(codec))


@step
async def keys():
    topic = name("keys")
    sent = [(b"k", b"1"), (b"", b"2"), (None, b"3")]
    await send(topic, *({"key": key, "value": value} for key, value in sent))
    same([(record.key, record.value) for record in await read_topic(topic, 3)], sent)


@step
async def headers():
    topic = name("headers")
    some = (("h", b"1"), ("h", None), ("other", b"\x00\xff"))
    await send(topic, {"value": b"v", "headers": list(some)}, {"value": b"v"})
    same([record.headers for record in await read_topic(topic, 2)], [some, ()])


@step
async def nulls():
    topic = name("nulls")
    await send(topic, *({"key": key, "value": value} for key, value in ODD))
    same([(record.key, record.value) for record in await read_topic(topic, len(ODD))], ODD)


@step
async def large():
    topic = name("large")
    await send(topic, {"value": LARGE})
    same((await read_topic(topic, 1))[0].value, LARGE)


@step
async def resume():
    topic, group = name("resume"), name("resume")
    await send(topic, *({"value": value} for value in values("resume", 10)))
    async with consumer(topic, group_id=group, max_poll_records=4) as first:
        seen = await read(first, 4)
        await first.commit()
    async with consumer(topic, group_id=group) as second:
        seen += await read(second, 10 - len(seen))
        await second.commit()
        same(await second.committed(TopicPartition(topic, 0)), 10)
    same([record.value for record in seen], values("resume", 10))


@step
async def rebalance():
    topic, group = name("rebalance"), name("rebalance")
    admin = await administrator()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    async with consumer(topic, group_id=group, heartbeat_interval_ms=500) as one:
        async with consumer(topic, group_id=group, heartbeat_interval_ms=500) as two:

            async def shared():
                return len(one.assignment()) == len(two.assignment()) == 1

            await eventually(shared)

        async def back():
            return len(one.assignment()) == 2

        await eventually(back)


@step
async def administration():
    topic, group = name("admin"), name("admin")
    admin = await administrator()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"retention.ms": "1000000"})])
    await admin.create_partitions({topic: NewPartitions(3)})

    async def grown():
        return len((await admin.describe_topics([topic]))[0]["partitions"]) == 3

    await eventually(grown)

    async def retention():
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        entries = answers[0].resources[0][4]
        return next(entry[1] for entry in entries if entry[0] == "retention.ms")

    same(await retention(), "1000000")
    wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "2000000"})
    await admin.alter_configs([wanted])

    async def changed():
        return await retention() == "2000000"

    await eventually(changed)
    async with consumer(topic, group_id=group) as reader:
        await reader.commit({TopicPartition(topic, 0): 0})
        assert (group, "consumer") in await admin.list_consumer_groups()
        same((await admin.describe_consumer_groups([group]))[0].groups[0][1:3], (group, "Stable"))
    await admin.delete_topics([topic])
    await admin.close()
    return "all but deleting groups, which it has no call for"


administration.__name__ = "admin"


@step
async def idempotence():
    topic = name("idempotence")
    sent = ({"value": v} for v in values("idempotence"))
    same(await send(topic, *sent, enable_idempotence=True), list(range(100)))
    same([record.value for record in await read_topic(topic, 100)], values("idempotence"))


@step
async def transactions():
    topic = name("transactions")
    async with producer(transactional_id=name("transactions")) as one:
        for value, end in (
            (b"a", one.commit_transaction),
            (b"b", one.abort_transaction),
            (b"c", one.commit_transaction),
        ):
            await one.begin_transaction()
            for _ in range(3):
                await one.send_and_wait(topic, value)
            await end()
    committed = await read_topic(topic, 6, isolation_level="read_committed")
    same([record.value for record in committed], [b"a"] * 3 + [b"c"] * 3)
    same([record.value for record in await read_topic(topic, 9)], [b"a"] * 3 + [b"b"] * 3 + [b"c"] * 3)


@step
async def transactional_offsets():
    topic, group = name("offsets"), name("offsets")
    partition = TopicPartition(topic, 0)
    await send(topic, *({"value": v} for v in values("offsets", 5)))
    async with producer(transactional_id=name("offsets")) as one, consumer(group_id=group) as reader:
        # Not assigned: of an assigned partition it gives what it knows itself.
        for offset, end, then in ((3, one.abort_transaction, None), (5, one.commit_transaction, 5)):
            await one.begin_transaction()
            await one.send_and_wait(topic + "-out", b"v")
            await one.send_offsets_to_transaction({partition: offset}, group)
            await end()

            # EndTxn is answered before the group has its markers.
            async def committed(then=then):
                return await reader.committed(partition) == then

            await eventually(committed)


@step
async def times():
    topic = name("times")
    await send(topic, *({"value": b"v", "timestamp_ms": BASE_MS + i} for i in range(5)))
    async with consumer() as reader:
        partition = TopicPartition(topic, 0)
        same((await reader.offsets_for_times({partition: BASE_MS + 3}))[partition].offset, 3)
        same(await reader.beginning_offsets([partition]), {partition: 0})
        same(await reader.end_offsets([partition]), {partition: 5})


@step
async def delete_records():
    topic = name("delete")
    await send(topic, *({"value": v} for v in values("delete", 10)))
    admin = await administrator()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
    await admin.close()
    same([record.offset for record in await read_topic(topic, 6)], list(range(4, 10)))


run(
    f"aiokafka {aiokafka.__version__}",
    [
        topics,
        codecs,
        keys,
        headers,
        nulls,
        large,
        resume,
        rebalance,
        administration,
        idempotence,
        transactions,
        transactional_offsets,
        times,
        delete_records,
    ],
    {"it does not know the consumer protocol": ["consumer_protocol"]},
)
