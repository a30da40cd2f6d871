// Computes the tapes of random programs again, which tapegrad_trace_tapes writes one on each line of
// standard input, and compares every value and gradient: an independent check of every rule.
//   tapegrad_trace_tapes 0 10000 | node test/out/tapes.js
// Read next: README.md.
import { createInterface } from "node:readline";
import type { TapeJson, TensorJson } from "../src/format.ts";
import { Recording } from "../src/recording.ts";
import { Replay } from "../src/replay.ts";
import { fromJson, type Tensor } from "../src/tensor.ts";

/** The largest finite element. */
function largest(x: Tensor): number {
  return x.data.reduce((most, each) => (Number.isFinite(each) ? Math.max(most, Math.abs(each)) : most), 0);
}

/** The largest difference; infinite where only one of two elements is finite. */
function furthest(a: Tensor, b: Tensor): number {
  let most = 0;
  a.data.forEach((x, i) => {
    const y = b.data[i]!;
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return;
    most = Math.max(most, Number.isFinite(x - y) ? Math.abs(x - y) : Infinity);
  });
  return most;
}

let programs = 0,
  compared = 0,
  findings = 0;
const unknown = new Map<string, number>();
for await (const line of createInterface({ input: process.stdin })) {
  const tape = JSON.parse(line) as TapeJson;
  ++programs;
  try {
    const { tape: again, stale } = new Replay(new Recording(tape), { elements: [] }, true).run();
    for (const id of stale) {
      const op = tape.nodes[id]!.op ?? "";
      unknown.set(op, (unknown.get(op) ?? 0) + 1);
      if (process.env.VERBOSE) console.log(`${tape.title}: ${op} (${id}) cannot be computed again`);
    }
    // A sum may cancel to almost nothing. So the error is a share of the largest element also of what
    // a value was computed from, and of all gradients of the pass so far.
    const check = (what: string, a: TensorJson, b: TensorJson, from: TensorJson[]) => {
      if (a.summary || b.summary) return;
      ++compared;
      if (a.shape.join() !== b.shape.join()) throw new Error(`${what} has shape (${a.shape}), not (${b.shape})`);
      const scale = Math.max(1e-300, ...[b, ...from].map((each) => largest(fromJson(each))));
      const wrong = furthest(fromJson(a), fromJson(b)) / scale;
      if (wrong > (b.dtype === "float32" ? 5e-5 : 1e-10)) throw new Error(`${what} differs by ${wrong}`);
    };
    const basis: TensorJson[] = []; // of each node, the largest value among it and its ancestors
    tape.nodes.forEach((node, id) => {
      const own = tape.tensors[node.value]!;
      const all = [own, ...(node.inputs ?? []).filter((each) => each >= 0).map((each) => basis[each]!)];
      basis.push(all.reduce((a, b) => (largest(fromJson(a)) >= largest(fromJson(b)) ? a : b)));
      const name = `value of ${node.op ?? node.kind} (${id})`;
      check(name, again.tensors[again.nodes[id]!.value]!, own, [basis[id]!]);
    });
    let most: TensorJson[] = []; // the largest gradient of the pass so far
    tape.steps.forEach((step, i) => {
      const of = (each: unknown, name: string) => (each as Record<string, number | undefined>)[name];
      const from = of(step, "from");
      const what = `${step.kind} ${i}${from === undefined ? "" : ` of ${tape.nodes[from]!.op}`}`;
      if (step.kind === "seed") most = [];
      const gradient = of(step, "gradient");
      if (gradient !== undefined) {
        const other = tape.tensors[gradient]!;
        if (most.length === 0 || largest(fromJson(other)) > largest(fromJson(most[0]!))) most = [other];
      }
      for (const name of ["gradient", "raw", "after"]) {
        const [a, b] = [of(again.steps[i], name), of(step, name)];
        if (a === undefined || b === undefined) continue;
        const [x, y] = [again.tensors[a]!, tape.tensors[b]!];
        // How far broadcasting is undone in a rule is the rule's own affair.
        if (name === "raw" && x.shape.join() !== y.shape.join()) continue;
        check(`${what}: ${name}`, x, y, most);
      }
    });
  } catch (error) {
    ++findings;
    console.log(`${tape.title}: ${(error as Error).message}`);
  }
}
console.log(`${programs} programs, ${compared} tensors compared, ${findings} findings`);
for (const [op, count] of unknown) console.log(`cannot be computed again: ${op} (${count})`);
process.exitCode = programs > 0 && findings === 0 && unknown.size === 0 ? 0 : 1;
