// kafkajs: no flexible versions, its own idea of auto-creation. Usage: node check.mjs BOOTSTRAP
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { AssignerProtocol, CompressionTypes, Kafka, logLevel } from "kafkajs";
import { BASE_MS, eventually, LARGE, ODD, PATIENCE_MS, run, values } from "./scenario.mjs";

const { version } = createRequire(import.meta.url)("kafkajs/package.json");
const kafka = new Kafka({ clientId: "check", brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
const name = (stem) => `kafkajs-${process.pid}-${stem}`;
const administrator = kafka.admin();
await administrator.connect();

async function send(topic, messages, { compression, ...config } = {}) {
  const producer = kafka.producer(config);
  await producer.connect();
  await producer.send({ topic, messages, compression });
  await producer.disconnect();
}

// Reads with a group until `count` messages came, committing each, then leaves.
async function read(topic, count, config = {}) {
  const consumer = kafka.consumer({ groupId: `${topic}-readers`, heartbeatInterval: 500, ...config });
  const messages = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`only ${messages.length} of ${count} messages of ${topic}`)), PATIENCE_MS);
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (messages.length === count) return;
        messages.push(message);
        await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
        if (messages.length === count) {
          clearTimeout(timer);
          resolve();
        }
      },
    });
  });
  await consumer.disconnect();
  return messages;
}

const texts = (messages) => messages.map(({ value }) => value?.toString() ?? null);

async function topics() {
  const topic = name("topics");
  assert.equal(await administrator.createTopics({ topics: [{ topic, numPartitions: 3 }] }), true);
  assert.ok((await administrator.listTopics()).includes(topic));
  assert.equal((await administrator.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 3);
  await administrator.deleteTopics({ topics: [topic] });
  await eventually(async () => !(await administrator.listTopics()).includes(topic));
}

async function codecs() {
  for (const codec of ["None", "GZIP"]) {
    const topic = name(codec);
    await send(topic, values(codec).map((value) => ({ value })), { compression: CompressionTypes[codec] });
    assert.deepEqual(texts(await read(topic, 100)), values(codec));
  }
  return "none, gzip: the others are not its own";
}

async function keys() {
  const topic = name("keys");
  await send(topic, [{ key: "k", value: "1" }, { key: "", value: "2" }, { key: null, value: "3" }]);
  const got = await read(topic, 3);
  assert.deepEqual(got.map(({ key, value }) => [key?.toString() ?? null, value.toString()]), [["k", "1"], ["", "2"], [null, "3"]]);
}

async function headers() {
  const topic = name("headers");
  await send(topic, [{ value: "v", headers: { h: ["1", "2"], empty: "" } }, { value: "v" }]);
  const got = await read(topic, 2);
  assert.deepEqual(got[0].headers.h.map(String), ["1", "2"]);
  assert.equal(got[0].headers.empty.length, 0);
  assert.deepEqual(got[1].headers, {});
}

async function nulls() {
  const topic = name("nulls");
  await send(topic, ODD.map(([key, value]) => ({ key, value })));
  const got = await read(topic, ODD.length);
  assert.deepEqual(got.map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]), ODD);
}

async function large() {
  const topic = name("large");
  await send(topic, [{ value: LARGE }]);
  assert.ok(LARGE.equals((await read(topic, 1))[0].value));
}

async function resume() {
  const topic = name("resume");
  await send(topic, values("resume", 10).map((value) => ({ value })));
  const first = await read(topic, 4);
  assert.deepEqual(texts([...first, ...(await read(topic, 6))]), values("resume", 10));
}

async function rebalance() {
  const topic = name("rebalance");
  await administrator.createTopics({ topics: [{ topic, numPartitions: 2 }] });
  const join = async () => {
    const consumer = kafka.consumer({ groupId: topic, heartbeatInterval: 500, maxWaitTimeInMs: 500 });
    const owned = { count: -1, consumer };
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => (owned.count = payload.memberAssignment[topic]?.length ?? 0));
    await consumer.connect();
    await consumer.subscribe({ topic });
    await consumer.run({ eachMessage: async () => {} });
    return owned;
  };
  const [one, two] = await Promise.all([join(), join()]);
  await eventually(() => one.count === 1 && two.count === 1);
  const { members } = (await administrator.describeGroups([topic])).groups[0];
  const assigned = members.map(({ memberAssignment }) => AssignerProtocol.MemberAssignment.decode(memberAssignment).assignment[topic]);
  assert.deepEqual(assigned.flat().sort(), [0, 1]);
  await two.consumer.disconnect();
  await eventually(() => one.count === 2);
  await one.consumer.disconnect();
}

async function admin() {
  const topic = name("admin");
  await administrator.createTopics({ topics: [{ topic, configEntries: [{ name: "retention.ms", value: "1000000" }] }] });
  await administrator.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  await eventually(async () => (await administrator.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 3);
  const retention = async () => {
    const { resources } = await administrator.describeConfigs({ resources: [{ type: 2, name: topic }] });
    return resources[0].configEntries.find(({ configName }) => configName === "retention.ms").configValue;
  };
  assert.equal(await retention(), "1000000");
  await administrator.alterConfigs({ resources: [{ type: 2, name: topic, configEntries: [{ name: "retention.ms", value: "2000000" }] }] });
  await eventually(async () => (await retention()) === "2000000");
  await send(topic, [{ value: "v", partition: 0 }]);
  await read(topic, 1);
  const groupId = `${topic}-readers`;
  assert.ok((await administrator.listGroups()).groups.some((group) => group.groupId === groupId));
  await eventually(async () => (await administrator.describeGroups([groupId])).groups[0].state === "Empty");
  await administrator.deleteGroups([groupId]);
  assert.ok(!(await administrator.listGroups()).groups.some((group) => group.groupId === groupId));
  assert.ok((await administrator.describeCluster()).clusterId);
  await administrator.deleteTopics({ topics: [topic] });
}

async function idempotence() {
  const topic = name("idempotence");
  await send(topic, values("idempotence").map((value) => ({ value })), { idempotent: true, maxInFlightRequests: 1 });
  assert.deepEqual(texts(await read(topic, 100)), values("idempotence"));
}

async function transactional(stem) {
  const producer = kafka.producer({ transactionalId: name(stem), maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  return producer;
}

async function transactions() {
  const topic = name("transactions");
  const producer = await transactional("transactions");
  for (const [value, end] of [["a", "commit"], ["b", "abort"], ["c", "commit"]]) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: Array(3).fill({ value }) });
    await transaction[end]();
  }
  await producer.disconnect();
  assert.deepEqual(texts(await read(topic, 6)), ["a", "a", "a", "c", "c", "c"]);
  const uncommitted = await read(topic, 9, { groupId: `${topic}-all`, readUncommitted: true });
  assert.deepEqual(texts(uncommitted), ["a", "a", "a", "b", "b", "b", "c", "c", "c"]);
}

async function transactional_offsets() {
  const topic = name("offsets");
  await send(topic, values("offsets", 5).map((value) => ({ value })));
  const producer = await transactional("offsets");
  const committed = async () => (await administrator.fetchOffsets({ groupId: topic, topics: [topic] }))[0].partitions[0].offset;
  for (const [offset, end, then] of [["3", "abort", "-1"], ["5", "commit", "5"]]) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: `${topic}-out`, messages: [{ value: "v" }] });
    await transaction.sendOffsets({ consumerGroupId: topic, topics: [{ topic, partitions: [{ partition: 0, offset }] }] });
    await transaction[end]();
    // EndTxn is answered before the group has its markers.
    await eventually(async () => (await committed()) === then);
  }
  await producer.disconnect();
}

async function times() {
  const topic = name("times");
  await send(topic, Array.from({ length: 5 }, (_, i) => ({ value: "v", timestamp: String(BASE_MS + i) })));
  assert.deepEqual(await administrator.fetchTopicOffsetsByTimestamp(topic, BASE_MS + 3), [{ partition: 0, offset: "3" }]);
  const [{ low, high }] = await administrator.fetchTopicOffsets(topic);
  assert.deepEqual([low, high], ["0", "5"]);
}

async function delete_records() {
  const topic = name("delete");
  await send(topic, values("delete", 10).map((value) => ({ value })));
  await administrator.fetchTopicOffsets(topic); // it must know the topic's leaders by then
  await administrator.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "4" }] });
  assert.deepEqual((await read(topic, 6)).map(({ offset }) => Number(offset)), [4, 5, 6, 7, 8, 9]);
}

await run(
  `kafkajs ${version}`,
  { topics, codecs, keys, headers, nulls, large, resume, rebalance, admin, idempotence, transactions, transactional_offsets, times, delete_records },
  { consumer_protocol: "it does not know the consumer protocol" },
);
await administrator.disconnect();
