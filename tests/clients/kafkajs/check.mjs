// kafkajs: no flexible versions, its own idea of auto-creation. Usage: node check.mjs BOOTSTRAP
import assert from "node:assert/strict";
import { CompressionTypes, Kafka, logLevel } from "kafkajs";

const PATIENCE_MS = 30_000;
const kafka = new Kafka({ clientId: "check", brokers: [process.argv[2]], logLevel: logLevel.ERROR });
const run = `kafkajs-${process.pid}`;
const admin = kafka.admin();
await admin.connect();

// Reads with a group until `count` messages came, then leaves.
async function read(topic, groupId, count, { commit = true } = {}) {
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 500 });
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
        if (commit) await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
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

async function send(topic, messages, options = {}) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, ...options.producer });
  await producer.connect();
  await producer.send({ topic, messages, ...options.send });
  await producer.disconnect();
}

async function everyCodec() {
  for (const codec of ["None", "GZIP"]) {
    const topic = `${run}-${codec}`;
    const messages = Array.from({ length: 100 }, (_, i) => ({ key: "k", value: `${codec} ${i}`, headers: { h: "1" } }));
    await send(topic, messages, { send: { compression: CompressionTypes[codec] } });
    const got = await read(topic, topic, 100);
    assert.deepEqual(got.map((message) => message.value.toString()), messages.map((message) => message.value));
    assert.ok(got.every((message) => message.key.toString() === "k" && message.headers.h.toString() === "1"));
  }
}

async function nullsAndLargeValues() {
  const topic = `${run}-sizes`;
  const large = Buffer.alloc(900_000, "x");
  await send(topic, [{ key: null, value: "" }, { key: "", value: null }, { key: "k", value: large }]);
  const got = await read(topic, topic, 3);
  assert.deepEqual(got.map(({ key, value }) => [key?.length ?? null, value?.length ?? null]), [[null, 0], [0, null], [1, 900_000]]);
}

async function groupResumes() {
  const topic = `${run}-resume`;
  await send(topic, Array.from({ length: 10 }, (_, i) => ({ value: String(i) })));
  const first = await read(topic, topic, 4);
  const rest = await read(topic, topic, 6);
  assert.deepEqual([...first, ...rest].map(({ value }) => Number(value)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

async function administration() {
  const topic = `${run}-admin`;
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] }), true);
  assert.equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 2);
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  assert.deepEqual((await admin.fetchTopicOffsets(topic)).map(({ offset }) => offset), ["0", "0", "0"]);
  assert.ok((await admin.listGroups()).groups.some(({ groupId }) => groupId === `${run}-resume`));
  assert.equal((await admin.describeGroups([`${run}-resume`])).groups[0].state, "Empty");
  const configs = await admin.describeConfigs({ resources: [{ type: 2, name: topic }] });
  assert.ok(configs.resources[0].configEntries.length > 5);
  await admin.deleteGroups([`${run}-resume`]);
  await admin.deleteTopics({ topics: [topic] });
  assert.ok((await admin.describeCluster()).clusterId);
}

for (const step of [everyCodec, nullsAndLargeValues, groupResumes, administration]) {
  const began = Date.now();
  await step();
  console.log(`  ok ${step.name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}
await admin.disconnect();
