// Computes the tapes of random programs again, which tapegrad_trace_tapes writes one on each line of
// standard input, and compares every value and gradient: an independent check of every rule.
//   tapegrad_trace_tapes 0 10000 | node test/out/tapes.js
// Read next: README.md.
import { createInterface } from "node:readline";
import type { TapeJson, TensorJson } from "../src/format.ts";
import { Recording } from "../src/recording.ts";
import { Replay } from "../src/replay.ts";
import { fromJson } from "../src/tensor.ts";
import { difference } from "./golden.ts";

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
    }
    const check = (what: string, a: TensorJson, b: TensorJson) => {
      if (a.summary || b.summary) return;
      ++compared;
      const tolerance = b.dtype === "float32" ? 1e-5 : 1e-10;
      const wrong = difference(fromJson(a), fromJson(b));
      if (wrong > tolerance) throw new Error(`${what} differs by ${wrong}`);
    };
    tape.nodes.forEach((node, id) =>
      check(
        `value of ${node.op ?? node.kind} (${id})`,
        again.tensors[again.nodes[id]!.value]!,
        tape.tensors[node.value]!,
      ),
    );
    tape.steps.forEach((step, i) => {
      const of = (each: unknown, name: string) => (each as Record<string, number | undefined>)[name];
      const from = of(step, "from");
      const what = `${step.kind} ${i}${from === undefined ? "" : ` of ${tape.nodes[from]!.op}`}`;
      for (const name of ["gradient", "raw", "after"]) {
        const [a, b] = [of(again.steps[i], name), of(step, name)];
        if (a !== undefined && b !== undefined) check(`${what}: ${name}`, again.tensors[a]!, tape.tensors[b]!);
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
