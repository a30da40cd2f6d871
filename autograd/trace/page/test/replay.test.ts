// Whole tapes: computed again from their leaves, and changed. Tapes of C++ programs are played, too,
// if TAPEGRAD_TAPES names a folder of them. Read next: test/page.test.ts.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse, type TapeJson, type TensorJson, type Update } from "../src/format.ts";
import { knownOptimizers } from "../src/optimizers.ts";
import { Recording } from "../src/recording.ts";
import { finiteDifference, Replay } from "../src/replay.ts";
import { fromJson } from "../src/tensor.ts";
import { difference } from "./golden.ts";
import { Recorder } from "./recorder.ts";
import { long, samples } from "./samples.ts";

/** Plays the tape again and compares every value and gradient with the recorded one. */
function compare(tape: TapeJson): { compared: number; stale: number } {
  const { tape: again, stale } = new Replay(new Recording(tape), { elements: [] }, true).run();
  let compared = 0;
  const check = (what: string, a: TensorJson, b: TensorJson) => {
    if (a.summary || b.summary) return;
    ++compared;
    const tolerance = b.dtype === "float32" ? 1e-5 : 1e-10;
    const wrong = difference(fromJson(a), fromJson(b));
    assert.ok(wrong <= tolerance, `${what} differs by ${wrong}`);
  };
  tape.nodes.forEach((node, id) =>
    check(
      `value of ${node.op ?? node.name} (${id})`,
      again.tensors[again.nodes[id]!.value]!,
      tape.tensors[node.value]!,
    ),
  );
  tape.steps.forEach((step, i) => {
    const other = again.steps[i]!;
    for (const name of ["gradient", "raw", "after"] as const) {
      const [a, b] = [(other as never)[name] as number | undefined, (step as never)[name] as number | undefined];
      if (a !== undefined && b !== undefined) check(`${step.kind} ${i}: ${name}`, again.tensors[a]!, tape.tensors[b]!);
    }
    if (step.kind !== "update" || other.kind !== "update") return;
    for (const name of Object.keys(step.state_after ?? {})) {
      const anew: number = other.state_after![name]!;
      const old: number = step.state_after![name]!;
      if (name === "step") assert.equal(anew, old);
      else check(`${step.optimizer}: ${name}`, again.tensors[anew]!, tape.tensors[old]!);
    }
  });
  return { compared, stale: stale.size };
}

for (const [name, make] of Object.entries(samples)) {
  test(`${name} is computed again from its leaves`, () => {
    const tape = JSON.parse(JSON.stringify(make())) as TapeJson;
    const { compared, stale } = compare(tape);
    assert.ok(compared >= 5, `${compared} tensors`);
    if (!["unknown", "bag"].includes(name)) assert.equal(stale, 0);
  });
}
const folder = process.env.TAPEGRAD_TAPES;
for (const file of folder ? readdirSync(folder).filter((each) => each.endsWith(".json")) : []) {
  test(`${file} is computed again from its leaves`, (t) => {
    const { compared, stale } = compare(parse(readFileSync(`${folder}/${file}`, "utf8")));
    t.diagnostic(`${compared} tensors equal, ${stale} entries cannot be computed again`);
    assert.equal(stale, 0);
  });
}
/** A tape that the C++ program wrote. */
const recorded = (name: string) => parse(readFileSync(`${folder}/${name}.json`, "utf8"));

test("every optimizer's steps are computed again, after a change of the learning rate, too", { skip: !folder }, () => {
  const tape = recorded("optimizers");
  const updates = tape.steps.filter((step) => step.kind === "update");
  assert.deepEqual(new Set(updates.map((step) => step.optimizer)), new Set(knownOptimizers));
  // Twice the rate moves the first step of SGD twice as far, and every other parameter changes, too.
  const { tape: anew, stale } = new Replay(new Recording(tape), { elements: [], lr: 0.2 }).run();
  assert.equal(stale.size, 0);
  const sgd = tape.nodes.findIndex((node) => node.name === "SGD");
  const first = (each: TapeJson) => each.steps.find((step) => step.kind === "update" && step.node === sgd) as Update;
  const data = (each: TapeJson, index: number) => fromJson(each.tensors[index]!).data;
  const [slow, fast] = [first(tape), first(anew)];
  data(tape, slow.before).forEach((x, i) => {
    const [a, b] = [data(tape, slow.after)[i]! - x, data(anew, fast.after)[i]! - x];
    assert.ok(Math.abs(b - 2 * a) < 1e-12, `${b} and ${a}`);
  });
  const last = new Map(updates.map((step) => [step.node, tape.steps.indexOf(step)]));
  assert.equal(last.size, 16);
  for (const at of last.values()) {
    const [step, old] = [anew.steps[at] as Update, tape.steps[at] as Update];
    assert.ok(
      data(anew, step.after).some((x, i) => x !== data(tape, old.after)[i]),
      step.optimizer,
    );
  }
});

test("a change follows through the moments of an optimizer", { skip: !folder }, () => {
  // Adam with state: the change of an element in the first step is compared with a run by hand.
  const tape = recorded("optimizers");
  const id = tape.nodes.findIndex((node) => node.name === "Adam");
  const { tape: anew, stale } = new Replay(new Recording(tape), {
    elements: [{ node: id, at: 0, value: 0.7 }], // row 0 is looked up in the first step
  }).run();
  assert.equal(stale.size, 0);
  const update = anew.steps.find((step) => step.kind === "update" && step.node === id) as Update;
  const at = (index: number) => fromJson(anew.tensors[index]!).data[0]!;
  const g = 4 * 0.7 ** 3; // of x^4
  assert.ok(Math.abs(at(update.state_after!.exp_avg!) - 0.1 * g) < 1e-12);
  assert.ok(Math.abs(at(update.after) - (0.7 - 0.05 * (g / (Math.abs(g) + 1e-8)))) < 1e-9);
});

test(
  "a gradient that the program clipped is used as recorded, and not guessed after a change",
  { skip: !folder },
  () => {
    const recording = new Recording(recorded("clipped"));
    const { tape, stale } = new Replay(recording, { elements: [], lr: 0.2 }).run();
    const first = tape.steps.find((step) => step.kind === "update") as Update;
    // The gradient (6, -8) was clipped to the norm 1.
    const after = fromJson(tape.tensors[first.after]!).data;
    [3 - 0.2 * 0.6, -4 + 0.2 * 0.8].forEach((x, i) => assert.ok(Math.abs(after[i]! - x) < 1e-6));
    assert.ok(stale.has(0)); // in the second step the norm is another one
  },
);

test("the step of an unknown optimizer is the recorded one, and marked as such", { skip: !folder }, () => {
  const tape = recorded("own_optimizer");
  const recording = new Recording(tape);
  const { tape: anew, stale } = new Replay(recording, { elements: [{ node: 0, at: 0, value: 3 }] }).run();
  assert.ok(stale.has(0));
  const [old, step] = [tape, anew].map((each) => each.steps.find((one) => one.kind === "update") as Update);
  assert.equal(step!.after, old!.after);
  // A changed learning rate scales the recorded change.
  const scaled = new Replay(recording, { elements: [], lr: 0.3 }).run();
  const first = scaled.tape.steps.find((one) => one.kind === "update") as Update;
  assert.deepEqual(
    [...fromJson(scaled.tape.tensors[first.after]!).data].map((x) => Math.round(x * 1e6) / 1e6),
    [0.7, -1.7],
  );
});

test("finite differences agree with the gradients of every leaf", () => {
  for (const [name, make] of Object.entries(samples)) {
    if (["failing", "notFinite", "unknown", "bag"].includes(name)) continue;
    const recording = new Recording(make());
    const end = recording.moments.length - 1;
    recording.tape.nodes.forEach((node, id) => {
      if (node.kind !== "parameter") return;
      for (let pass = 0; pass < recording.passes; ++pass) {
        const { sum } = recording.gradient(id, pass, end);
        if (sum === null) continue;
        const gradient = recording.tensor(sum);
        const largest = Math.max(...gradient.data.map(Math.abs));
        const numeric = finiteDifference(recording, pass, id, 0)!;
        assert.ok(
          Math.abs(numeric - gradient.data[0]!) < 1e-4 * largest,
          `${name} ${node.name}: ${numeric} and ${gradient.data[0]}`,
        );
      }
    });
  }
});

test("a changed weight gives what a second run of the program gives", () => {
  const recording = new Recording(samples.scalar!());
  const { tape } = new Replay(recording, { elements: [{ node: 0, at: 0, value: 1.5 }] }).run();
  const [a, b, c] = [1.5, -0.5, 1.25];
  const t = Math.tanh(a * b + c);
  const loss = (t * a - 1) ** 2;
  assert.ok(Math.abs((tape.tensors[tape.nodes.at(-1)!.value]!.data![0] as number) - loss) < 1e-12);
  const update = tape.steps.find((step) => step.kind === "update" && step.node === 0)!;
  assert.ok(update.kind === "update");
  const gradient = 2 * (t * a - 1) * (t + a * (1 - t * t) * b);
  assert.ok(Math.abs((tape.tensors[update.after]!.data![0] as number) - (a - 0.1 * gradient)) < 1e-12);
});

test("a changed learning rate moves the parameters, and later steps follow", () => {
  const recording = new Recording(samples.training!());
  const { tape } = new Replay(recording, { elements: [], lr: 0 }).run();
  const losses = tape.nodes
    .filter((node) => node.op === "cross_entropy")
    .map((node) => tape.tensors[node.value]!.data![0]);
  assert.equal(losses.length, 3);
  assert.equal(losses[0], losses[1]);
  assert.equal(losses[1], losses[2]);
});

test("an unknown operation keeps its recorded elements and is stale", () => {
  const { tape, stale } = new Replay(new Recording(samples.unknown!()), {
    elements: [{ node: 0, at: 0, value: 9 }],
  }).run();
  assert.deepEqual([...stale], [1, 2]);
  assert.deepEqual(tape.tensors[tape.nodes[1]!.value]!.data, [0.125, -3.375]);
});

test("moments, sums and passes", () => {
  const recording = new Recording(samples.twice!());
  assert.equal(recording.passes, 2);
  const end = recording.moments.length - 1;
  const [once, both] = [recording.gradient(0, 1, end).sum!, recording.grad(0, end)!];
  recording.tensor(once).data.forEach((x, i) => assert.ok(Math.abs(recording.tensor(both).data[i]! - 2 * x) < 1e-12));
  assert.equal(recording.gradient(0, 0, 0).sum, null);
  assert.equal(recording.grad(0, 0), null);
});

test("NaN is found where it began", () => {
  const recording = new Recording(samples.notFinite!());
  assert.equal(recording.node(recording.firstNonFinite()!.node).op, "log");
});
test("a mask of -infinity is not where something went wrong, an overflow is", () => {
  const r = new Recorder("attention", "float64");
  const x = r.leaf("parameter", "x", [1, 2], [1, 2]);
  const masked = r.op("masked_fill", [x], [1, 2], { mask: r.constant([1, 2], [0, 1], "boolean"), value: "-inf" });
  r.backward(r.op("sum", [r.op("softmax", [masked], [1, 2], { dim: 1 })], []));
  assert.equal(new Recording(r.tape).firstNonFinite(), undefined);
  const s = new Recorder("overflow", "float64");
  s.op("exp", [s.op("mul", [s.leaf("parameter", "x", [1], [400])], [1], { other: 2 })], [1]);
  const recording = new Recording(s.tape);
  assert.equal(recording.node(recording.firstNonFinite()!.node).op, "exp");
});

test("a tape of 20,000 entries is read and played again in seconds", () => {
  const tape = long();
  const start = performance.now();
  const recording = new Recording(tape);
  new Replay(recording, { elements: [{ node: 1, at: 0, value: 0.4 }] }).run();
  assert.ok(tape.nodes.length >= 20000);
  assert.ok(performance.now() - start < 5000, `${performance.now() - start} ms`);
});
