// @platformatic/kafka: the newest protocol versions and both group protocols. Usage: node check.mjs BOOTSTRAP
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Admin, Consumer, MessagesStreamModes, Producer, ProduceAcks } from "@platformatic/kafka";
import { BASE_MS, eventually, LARGE, ODD, run, values } from "./scenario.mjs";

const { version } = JSON.parse(readFileSync(new URL("node_modules/@platformatic/kafka/package.json", import.meta.url)));
const base = { clientId: "check", bootstrapBrokers: [process.argv[2]] };
const name = (stem) => `platformatic-${process.pid}-${stem}`;
const RETENTION_MS = "retention.ms";
const TOPIC = 2; // the type of a topic's configuration
const SET = 0;
const administrator = new Admin({ ...base });
const buffer = (text) => (text === null ? null : Buffer.from(text));
const text = (bytes) => bytes?.toString() ?? null;

async function send(topic, messages, options = {}) {
  const producer = new Producer({ ...base, autocreateTopics: true, acks: ProduceAcks.ALL, ...options });
  const sent = await producer.send({ messages: messages.map((message) => ({ topic, ...message })) });
  await producer.close();
  return sent;
}

// Reads as a member of a group until `count` messages came and commits what was read.
async function read(topic, count, { groupId = `${topic}-readers`, mode = MessagesStreamModes.EARLIEST, ...options } = {}) {
  const consumer = new Consumer({ ...base, groupId, autocommit: false, maxWaitTime: 500, ...options });
  const stream = await consumer.consume({ topics: [topic], mode, fallbackMode: "earliest" });
  const messages = [];
  for await (const message of stream) {
    messages.push(message);
    if (messages.length === count) break;
  }
  const last = messages.at(-1);
  await consumer.commit({ offsets: [{ topic, partition: last.partition, offset: last.offset + 1n, leaderEpoch: 0 }] });
  await consumer.close(true);
  return messages;
}

const texts = (messages) => messages.map(({ value }) => text(value));

async function topics() {
  const topic = name("topics");
  const [created] = await administrator.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
  assert.equal(created.partitions, 3);
  assert.ok((await administrator.listTopics()).includes(topic));
  await administrator.deleteTopics({ topics: [topic] });
  await eventually(async () => !(await administrator.listTopics()).includes(topic));
}

async function codecs() {
  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    const topic = name(compression);
    await send(topic, values(compression).map((value) => ({ value: buffer(value) })), { compression });
    assert.deepEqual(texts(await read(topic, 100)), values(compression));
  }
}

async function keys() {
  const topic = name("keys");
  const sent = [["k", "1"], ["", "2"]];
  await send(topic, sent.map(([key, value]) => ({ key: buffer(key), value: buffer(value), partition: 0 })));
  assert.deepEqual((await read(topic, 2)).map(({ key, value }) => [text(key), text(value)]), sent);
}

async function headers() {
  const topic = name("headers");
  const some = new Map([[buffer("h"), buffer("1")], [buffer("h"), buffer("2")], [buffer("empty"), buffer("")]]);
  await send(topic, [{ value: buffer("v"), headers: some }, { value: buffer("v") }]);
  const got = await read(topic, 2);
  assert.deepEqual([...got[0].headers].map(([key, value]) => [text(key), text(value)]), [["h", "1"], ["h", "2"], ["empty", ""]]);
  assert.equal(got[1].headers.size, 0);
}

async function nulls() {
  const topic = name("nulls");
  const sent = ODD.map(([key, value]) => ({ partition: 0, ...(key !== null && { key: buffer(key) }), ...(value !== null && { value: buffer(value) }) }));
  await send(topic, sent);
  assert.deepEqual((await read(topic, ODD.length)).map(({ key, value }) => [text(key), text(value)]), ODD);
}

async function large() {
  const topic = name("large");
  await send(topic, [{ value: LARGE }]);
  assert.ok(LARGE.equals((await read(topic, 1))[0].value));
}

async function resumes(topic, options) {
  await administrator.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  await send(topic, values("resume", 10).map((value) => ({ value: buffer(value) })));
  const committed = { mode: MessagesStreamModes.COMMITTED, ...options };
  const first = await read(topic, 4, committed);
  assert.deepEqual(texts([...first, ...(await read(topic, 6, committed))]), values("resume", 10));
}

async function rebalances(topic, options) {
  await administrator.createTopics({ topics: [topic], partitions: 2, replicas: 1 });
  const member = async () => {
    const consumer = new Consumer({ ...base, groupId: topic, autocommit: false, maxWaitTime: 500, ...options });
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.LATEST });
    stream.on("data", () => {});
    return consumer;
  };
  const owned = (consumer) => consumer.assignments?.find((one) => one.topic === topic)?.partitions.length ?? 0;
  const [one, two] = [await member(), await member()];
  await eventually(() => owned(one) === 1 && owned(two) === 1);
  await two.close(true);
  await eventually(() => owned(one) === 2);
  await one.close(true);
}

const resume = () => resumes(name("resume"), {});
const rebalance = () => rebalances(name("rebalance"), { heartbeatInterval: 500, rebalanceTimeout: 6000, sessionTimeout: 6000 });

async function consumer_protocol() {
  await resumes(name("848-resume"), { groupProtocol: "consumer" });
  await rebalances(name("848-rebalance"), { groupProtocol: "consumer" });
}

async function admin() {
  const topic = name("admin");
  await administrator.createTopics({ topics: [topic], partitions: 1, replicas: 1, configs: [{ name: RETENTION_MS, value: "1000000" }] });
  await administrator.createPartitions({ topics: [{ name: topic, count: 3, assignments: null }] });
  await eventually(async () => (await administrator.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitionsCount === 3);
  const retention = async () => {
    const resources = [{ resourceType: TOPIC, resourceName: topic, configurationKeys: [RETENTION_MS] }];
    return (await administrator.describeConfigs({ resources }))[0].configs[0].value;
  };
  assert.equal(await retention(), "1000000");
  const configs = [{ name: RETENTION_MS, value: "2000000", configOperation: SET }];
  await administrator.incrementalAlterConfigs({ resources: [{ resourceType: TOPIC, resourceName: topic, configs }] });
  await eventually(async () => (await retention()) === "2000000");
  await send(topic, [{ value: buffer("v"), partition: 0 }]);
  const groupId = `${topic}-readers`;
  await read(topic, 1, { groupId });
  assert.ok((await administrator.listGroups()).has(groupId));
  await eventually(async () => (await administrator.describeGroups({ groups: [groupId] })).get(groupId).state === "Empty");
  await administrator.alterConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionOffsets: [{ partition: 1, offset: 0n }] }] });
  const [{ topics: listed }] = await administrator.listConsumerGroupOffsets({ groups: [groupId] });
  assert.deepEqual(listed[0].partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]).sort(), [[0, 1n], [1, 0n]]);
  await administrator.deleteGroups({ groups: [groupId] });
  assert.ok(!(await administrator.listGroups()).has(groupId));
  await administrator.deleteTopics({ topics: [topic] });
}

async function idempotence() {
  const topic = name("idempotence");
  await send(topic, values("idempotence").map((value) => ({ value: buffer(value) })), { idempotent: true });
  assert.deepEqual(texts(await read(topic, 100)), values("idempotence"));
}

const transactional = (stem) => new Producer({ ...base, autocreateTopics: true, idempotent: true, transactionalId: name(stem) });

async function transactions() {
  const topic = name("transactions");
  const producer = transactional("transactions");
  for (const [value, end] of [["a", "commit"], ["b", "abort"], ["c", "commit"]]) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: Array(3).fill({ topic, value: buffer(value) }) });
    await transaction[end]();
  }
  await producer.close();
  assert.deepEqual(texts(await read(topic, 6, { isolationLevel: 1 })), ["a", "a", "a", "c", "c", "c"]);
  const uncommitted = await read(topic, 9, { groupId: `${topic}-all`, isolationLevel: 0 });
  assert.deepEqual(texts(uncommitted), ["a", "a", "a", "b", "b", "b", "c", "c", "c"]);
}

async function transactional_offsets() {
  const topic = name("offsets");
  await send(topic, values("offsets", 5).map((value) => ({ value: buffer(value) })));
  const producer = transactional("offsets");
  const consumer = new Consumer({ ...base, groupId: topic, autocommit: false, maxWaitTime: 500 });
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST });
  const messages = [];
  for await (const message of stream) if (messages.push(message) === 5) break;
  const committed = async () => (await consumer.listCommittedOffsets({ topics: [{ topic, partitions: [0] }] })).get(topic)[0];
  for (const [message, end, then] of [[messages[2], "abort", -1n], [messages[4], "commit", 5n]]) {
    const transaction = await producer.beginTransaction();
    await transaction.addConsumer(consumer);
    await transaction.send({ messages: [{ topic: `${topic}-out`, value: buffer("v") }] });
    await transaction.addOffset(message);
    await transaction[end]();
    // EndTxn is answered before the group has its markers.
    await eventually(async () => (await committed()) === then);
  }
  await producer.close();
  await consumer.close(true);
}

async function times() {
  const topic = name("times");
  await send(topic, Array.from({ length: 5 }, (_, i) => ({ value: buffer("v"), timestamp: BigInt(BASE_MS + i) })));
  for (const [timestamp, offset] of [[BigInt(BASE_MS + 3), 3n], [-2n, 0n], [-1n, 5n], [-3n, 4n]]) {
    const [listed] = await administrator.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] });
    assert.equal(listed.partitions[0].offset, offset);
  }
}

async function delete_records() {
  const topic = name("delete");
  await send(topic, values("delete", 10).map((value) => ({ value: buffer(value) })));
  const [deleted] = await administrator.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] });
  assert.equal(deleted.partitions[0].lowWatermark, 4n);
  assert.deepEqual((await read(topic, 6)).map(({ offset }) => offset), [4n, 5n, 6n, 7n, 8n, 9n]);
}

await run(`@platformatic/kafka ${version}`, {
  topics, codecs, keys, headers, nulls, large, resume, rebalance, consumer_protocol, admin, idempotence, transactions, transactional_offsets, times, delete_records,
});
await administrator.close();
