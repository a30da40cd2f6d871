// Recorder: writes the JSON of a small program, as Trace does, for tests that need no C++.
// Read next: test/samples.ts.
import type { Attributes, NodeJson, StepJson, TapeJson, TensorJson } from "../src/format.ts";
import { numel } from "../src/format.ts";
import { operations } from "../src/ops/index.ts";
import type { Call } from "../src/ops/operation.ts";
import { asDense, fitted, isSparse, toJson, type Gradient } from "../src/replay.ts";
import { add, as, full, sub, scale, Tensor, tensor } from "../src/tensor.ts";

const kLargest = 1024; // elements; larger tensors get a summary

export class Recorder {
  readonly tape: TapeJson;
  private readonly values: Tensor[] = [];
  private readonly current = new Map<number, number>(); // a leaf's value now, a tensor
  private readonly calls = new Map<number, Call>();
  private readonly modules: number[] = [];
  private readonly grads = new Map<number, { index: number; is: Gradient }>();
  private readonly tensors: (Tensor | undefined)[] = [];
  private passes = 0;
  private bytes = 0;
  line = 1;

  constructor(
    title: string,
    private readonly dtype = "float32",
  ) {
    this.tape = { format: "tapegrad tape", version: 1, title, tensors: [], nodes: [], modules: [], steps: [] };
  }

  leaf(kind: "parameter" | "data", name: string, shape: number[], data: ArrayLike<number>, dtype = this.dtype): number {
    const value = as(tensor(shape, data, dtype), dtype);
    return this.add(
      { kind, name, requires_grad: kind === "parameter", value: this.store(value), dtype, shape, module: -1 },
      value,
    );
  }
  /** Runs fn inside a call of a module. */
  within<T>(name: string, type: string, call: number, fn: () => T): T {
    this.modules.push(this.tape.modules.push({ parent: this.modules.at(-1) ?? -1, name, type, call }) - 1);
    const result = fn();
    this.modules.pop();
    return result;
  }
  op(op: string, inputs: number[], shape: number[], attributes: Attributes = {}): number {
    const ids = [...inputs];
    const call: Call = {
      inputs: ids.map((id) => (id < 0 ? undefined : this.values[id])),
      attributes,
      shape,
      dtype: this.dtype,
      tensor: (name) => {
        const value = attributes[name];
        return value && typeof value === "object" && "tensor" in value ? this.tensors[value.tensor] : undefined;
      },
    };
    const value = as(operations[op]!.forward(call), this.dtype);
    const tracked = ids.some((id) => id >= 0 && this.tape.nodes[id]!.requires_grad);
    const id = this.add(
      {
        kind: "operation",
        name: "",
        op,
        inputs: ids,
        requires_grad: tracked,
        value: this.store(value),
        dtype: this.dtype,
        shape: [...value.shape],
        module: this.modules.at(-1) ?? -1,
        source: { file: "main.cc", line: this.line },
        attributes,
        ...(/mul|matmul|linear|square|pow/.test(op) ? { keeps: ids.filter((each) => each >= 0) } : {}),
      },
      value,
    );
    this.calls.set(id, call);
    this.bytes += 48 + numel(value.shape) * 4;
    this.tape.steps.push({ kind: "forward", node: id, bytes: this.bytes });
    return id;
  }
  /** A tensor without history, for an attribute. */
  constant(shape: number[], data: number[], dtype = "int64"): { tensor: number } {
    return { tensor: this.store(tensor(shape, data, dtype)) };
  }
  value(id: number): Tensor {
    return this.values[id]!;
  }

  backward(output: number, retain = false): void {
    const pass = this.passes++;
    const sums = new Map<number, { index: number; is: Gradient }>();
    const one = full(this.values[output]!.shape, 1, this.dtype);
    sums.set(output, { index: this.store(one), is: one });
    this.tape.steps.push({ kind: "seed", pass, node: output, gradient: sums.get(output)!.index });
    const leaves: number[] = [];
    for (let id = output; id >= 0; --id) {
      const dy = sums.get(id);
      if (!dy || this.tape.nodes[id]!.kind !== "operation") continue;
      this.tape.steps.push({ kind: "fire", pass, node: id, gradient: dy.index });
      this.tape.nodes[id]!.inputs!.forEach((to, input) => {
        if (to < 0 || !this.tape.nodes[to]!.requires_grad) return;
        const raw = operations[this.tape.nodes[id]!.op!]!.rule(
          this.calls.get(id)!,
          this.values[id]!,
          asDense(dy.is),
          input,
        );
        this.contribute(pass, id, input, to, isSparse(raw) ? raw : as(raw, this.dtype), sums);
        if (this.tape.nodes[to]!.kind !== "operation" && !leaves.includes(to)) leaves.push(to);
      });
      if (retain) continue;
      this.bytes -= 48 + numel(this.tape.nodes[id]!.shape) * 4;
      this.tape.steps.push({ kind: "release", pass, node: id, bytes: this.bytes });
    }
    for (const node of leaves) {
      const before = this.grads.get(node);
      const part = sums.get(node)!;
      const after = before ? this.summed(before.is, part.is) : part;
      this.tape.steps.push({ kind: "leaf", pass, node, before: before?.index ?? null, after: after.index });
      this.grads.set(node, after);
    }
  }
  private contribute(
    pass: number,
    from: number,
    input: number,
    to: number,
    raw: Gradient,
    sums: Map<number, { index: number; is: Gradient }>,
  ): void {
    const shape = this.tape.nodes[to]!.shape;
    const part = fitted(raw, shape, this.dtype);
    const gradient = this.store(part);
    const same =
      isSparse(raw) || (raw.shape.length === shape.length && raw.shape.every((size, d) => size === shape[d]));
    const before = sums.get(to);
    const after = before ? this.summed(before.is, part) : { index: gradient, is: part };
    sums.set(to, after);
    this.tape.steps.push({
      kind: "contribution",
      pass,
      from,
      input,
      to,
      raw: same ? gradient : this.store(raw),
      gradient,
      before: before?.index ?? null,
      after: after.index,
    });
  }
  private summed(a: Gradient, b: Gradient): { index: number; is: Gradient } {
    const is: Gradient =
      isSparse(a) && isSparse(b)
        ? {
            ids: [...a.ids, ...b.ids],
            rows: tensor(
              [a.ids.length + b.ids.length, ...a.shape.slice(1)],
              [...a.rows.data, ...b.rows.data],
              this.dtype,
            ),
            shape: a.shape,
          }
        : as(add(asDense(a), asDense(b)), this.dtype);
    return { index: this.store(is), is };
  }
  zeroGrad(): void {
    this.grads.clear();
  }
  sgd(lr: number): void {
    for (const [node, grad] of this.grads) {
      const before = this.current.get(node)!;
      const after = as(sub(this.values[node]!, scale(asDense(grad.is), lr)), this.dtype);
      this.values[node] = after;
      this.current.set(node, this.store(after));
      this.tape.steps.push({ kind: "update", node, before, after: this.current.get(node)!, optimizer: "SGD", lr });
    }
  }
  adam(lr: number): void {
    for (const [node, grad] of this.grads) {
      const before = this.current.get(node)!;
      const g = asDense(grad.is);
      const after = as(
        new Tensor(
          g.shape,
          this.values[node]!.data.map((x, i) =>
            g.data[i] === 0 ? x : x - (lr * g.data[i]!) / (Math.abs(g.data[i]!) + 1e-8),
          ),
        ),
        this.dtype,
      );
      this.values[node] = after;
      this.current.set(node, this.store(after));
      this.tape.steps.push({ kind: "update", node, before, after: this.current.get(node)!, optimizer: "Adam", lr });
    }
  }
  step(step: StepJson): void {
    this.tape.steps.push(step);
  }

  private add(node: NodeJson, value: Tensor): number {
    this.values.push(value);
    this.tape.nodes.push(node);
    this.current.set(this.tape.nodes.length - 1, node.value);
    return this.tape.nodes.length - 1;
  }
  private store(value: Gradient): number {
    this.tensors[this.tape.tensors.length] = isSparse(value) ? undefined : value;
    return this.tape.tensors.push(!isSparse(value) && value.size > kLargest ? summary(value) : toJson(value)) - 1;
  }
}

function summary(x: Tensor): TensorJson {
  const finite = Array.from(x.data).filter(Number.isFinite);
  const [rows, columns] =
    x.dim < 2 ? [1, Math.min(x.size, 32)] : [Math.min(x.size / x.shape.at(-1)!, 24), Math.min(x.shape.at(-1)!, 32)];
  const [height, width] = x.dim < 2 ? [1, x.size] : [x.size / x.shape.at(-1)!, x.shape.at(-1)!];
  const data = Array.from({ length: rows * columns }, (_, k) => {
    const [r, c] = [Math.floor(k / columns), k % columns];
    let [sum, count] = [0, 0];
    for (let i = Math.floor((r * height) / rows); i < Math.floor(((r + 1) * height) / rows); ++i) {
      for (let j = Math.floor((c * width) / columns); j < Math.floor(((c + 1) * width) / columns); ++j)
        ((sum += x.data[i * width + j]!), ++count);
    }
    return sum / count;
  });
  return {
    dtype: x.dtype,
    shape: [...x.shape],
    summary: {
      min: Math.min(...finite),
      max: Math.max(...finite),
      mean: finite.reduce((a, b) => a + b, 0) / finite.length,
      norm: Math.sqrt(finite.reduce((a, b) => a + b * b, 0)),
      nonfinite: x.size - finite.length,
    },
    thumbnail: { rows, columns, data },
  };
}
