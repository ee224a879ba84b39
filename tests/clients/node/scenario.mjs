// What the Node programs share: records to send, waiting, and the lines that ../table.py reads.
import crypto from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

export const PATIENCE_MS = 30_000;
export const LARGE = Buffer.concat([crypto.randomBytes(450_000), Buffer.alloc(450_000, "x")]);
// Keys and values that are easily mistaken for one another.
export const ODD = [[null, ""], ["", "v"], ["k", null], ["", null], [null, "v"]];
// An hour ago: records of long ago could be removed by retention at any moment.
export const BASE_MS = Date.now() - 3_600_000;

export const values = (stem, count = 100) => Array.from({ length: count }, (_, i) => `${stem} ${i} `.repeat(10));

export async function eventually(check) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error("gave up waiting");
    await sleep(50);
  }
}

// Runs functions named after their scenarios; what one gives back is a remark on it. `without`: {scenario: reason}.
export async function run(client, steps, without = {}) {
  console.log(`  client ${client}`);
  const wanted = process.env.SCENARIOS?.split(" ");
  for (const [scenario, step] of Object.entries(steps)) {
    if (wanted && !wanted.includes(scenario)) continue;
    const began = Date.now();
    const remark = await step();
    console.log(`  ok ${scenario}${remark ? `: ${remark}` : ""} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  }
  for (const [scenario, reason] of Object.entries(without)) console.log(`  no ${scenario}: ${reason}`);
}
