// Replay: the whole recording computed again in the page, after a number was changed; and finite
// differences. What cannot be computed again keeps its recorded elements and is listed as stale.
// Read next: src/optimizers.ts.
import type { Contribution, StepJson, TapeJson, TensorJson, Update } from "./format.ts";
import { operations } from "./ops/index.ts";
import type { Call } from "./ops/operation.ts";
import { updated, type Moments } from "./optimizers.ts";
import type { Recording } from "./recording.ts";
import { add, as, dense, fromJson, rowsOf, sumTo, Tensor, tensor, type RowSparse } from "./tensor.ts";

/** A change that the learner made: an element of a leaf, or the learning rate of all updates. */
export interface Edits {
  elements: { node: number; at: number; value: number }[];
  lr?: number;
}

export type Gradient = Tensor | RowSparse;
export const isSparse = (gradient: Gradient): gradient is RowSparse => "ids" in gradient;
export const asDense = (gradient: Gradient): Tensor => (isSparse(gradient) ? dense(gradient) : gradient);

export interface Replayed {
  tape: TapeJson;
  changed: Set<number>; // nodes whose value changed
  stale: Set<number>; // nodes that should have changed but could not be computed again
}

/** A value, whether an edit reaches it, and where the JSON holds it. */
interface Slot<T> {
  is: T;
  dirty: boolean;
  index: number;
}

export function callOf(recording: Recording, id: number, inputs: (Tensor | undefined)[]): Call {
  const node = recording.node(id);
  const attributes = node.attributes ?? {};
  return {
    inputs,
    attributes,
    shape: node.shape,
    dtype: node.dtype,
    tensor: (name) => {
      const value = attributes[name];
      return value && typeof value === "object" && "tensor" in value ? recording.tensor(value.tensor) : undefined;
    },
  };
}

export class Replay {
  private readonly tensors: TensorJson[];
  private readonly steps: StepJson[] = [];
  private readonly values = new Map<number, Slot<Tensor>>();
  private readonly initial = new Map<number, number>(); // of each leaf, the tensor before all updates
  private readonly calls = new Map<number, Call>();
  private readonly sums = new Map<string, Slot<Gradient>>();
  private readonly grads = new Map<number, Slot<Gradient>>();
  private readonly moments = new Map<string, Moments>(); // after a step that was computed anew
  readonly changed = new Set<number>();
  readonly stale = new Set<number>();

  /** With `everything`, all is computed again, as if every leaf had changed. */
  constructor(
    private readonly recording: Recording,
    private readonly edits: Edits,
    private readonly everything = false,
  ) {
    this.tensors = [...recording.tape.tensors];
    recording.tape.nodes.forEach((node, id) => {
      if (node.kind === "operation") return;
      const index = recording.value(id, -1);
      this.values.set(id, { is: this.edited(id, recording.tensor(index)), dirty: false, index });
    });
    for (const { node } of edits.elements) this.set(node, this.values.get(node)!.is);
    for (const [id, { index }] of this.values) this.initial.set(id, index);
  }

  run(): Replayed {
    for (const step of this.recording.tape.steps) this.steps.push(this.play(step));
    const nodes = this.recording.tape.nodes.map((node, id) => ({
      ...node,
      value: this.initial.get(id) ?? this.values.get(id)?.index ?? node.value,
    }));
    return {
      tape: { ...this.recording.tape, tensors: this.tensors, nodes, steps: this.steps },
      changed: this.changed,
      stale: this.stale,
    };
  }

  private edited(id: number, value: Tensor): Tensor {
    const own = this.edits.elements.filter(({ node }) => node === id);
    if (own.length === 0) return value;
    const data = Float64Array.from(value.data);
    for (const { at, value: to } of own) data[at] = to;
    return as(new Tensor(value.shape, data), value.dtype);
  }
  private set(id: number, value: Tensor): void {
    this.values.set(id, { is: value, dirty: true, index: this.store(value) });
    this.changed.add(id);
  }
  private storeAll(moments: Moments): Record<string, number> {
    return Object.fromEntries(Object.entries(moments).map(([name, value]) => [name, this.store(value)]));
  }
  private store(value: Gradient): number {
    return this.tensors.push(toJson(value)) - 1;
  }

  private play(step: StepJson): StepJson {
    switch (step.kind) {
      case "forward":
        this.forward(step.node);
        return step;
      case "seed":
        this.sums.set(key(step), { is: this.gradient(step.gradient), dirty: this.everything, index: step.gradient });
        return step;
      case "fire":
        return { ...step, gradient: this.sums.get(key(step))?.index ?? step.gradient };
      case "contribution":
        return this.contribute(step);
      case "leaf":
        return this.leaf(step);
      case "update":
        return this.update(step);
      default:
        return step;
    }
  }

  private gradient(index: number): Gradient {
    const json = this.tensors[index]!;
    return json.rows ? rowsOf(json) : fromJson(json);
  }

  // Forward ----------------------------------------------------------------------------------------

  private forward(id: number): void {
    const node = this.recording.node(id);
    const inputs = (node.inputs ?? []).map((from) => (from < 0 ? undefined : this.values.get(from)));
    const call = callOf(
      this.recording,
      id,
      inputs.map((slot) => slot?.is),
    );
    this.calls.set(id, call);
    const recorded = { is: this.recording.tensor(node.value), dirty: false, index: node.value };
    this.values.set(id, recorded);
    const lost = (node.inputs ?? []).some((from) => this.stale.has(from));
    if (!this.everything && !lost && !inputs.some((slot) => slot?.dirty)) return;
    const value = lost ? undefined : attempt(() => as(operations[node.op!]!.forward(call), node.dtype));
    if (value) this.set(id, value);
    else this.stale.add(id);
  }

  // Backward ---------------------------------------------------------------------------------------

  private contribute(step: Contribution): Contribution {
    const { from, to } = step;
    const dy = this.sums.get(`${step.pass}:${from}`);
    const call = this.calls.get(from);
    const reached =
      this.everything ||
      dy?.dirty ||
      this.values.get(from)?.dirty ||
      this.recording.node(from).inputs?.some((id) => this.values.get(id)?.dirty);
    let [raw, gradient, dirty] = [step.raw, step.gradient, false];
    const target = this.recording.node(to);
    const fresh =
      reached && dy && call && !this.stale.has(from)
        ? attempt(() =>
            operations[this.recording.node(from).op!]!.rule(
              call,
              this.values.get(from)!.is,
              asDense(dy.is),
              step.input,
            ),
          )
        : undefined;
    let part = this.gradient(step.gradient);
    if (fresh) {
      part = fitted(fresh, target.shape, target.dtype);
      gradient = this.store(part);
      raw = step.raw === step.gradient ? gradient : this.store(fresh);
      dirty = true;
    } else if (reached) {
      this.stale.add(from);
    }
    const before = step.before === null ? undefined : this.sums.get(key({ pass: step.pass, node: to }));
    const sum = this.added(before, { is: part, dirty, index: gradient }, step.after, target.dtype);
    this.sums.set(key({ pass: step.pass, node: to }), sum);
    return { ...step, raw, gradient, before: before?.index ?? step.before, after: sum.index };
  }
  private added(
    before: Slot<Gradient> | undefined,
    part: Slot<Gradient>,
    recorded: number,
    dtype: string,
  ): Slot<Gradient> {
    if (!before) return part.dirty ? part : { ...part, index: recorded };
    if (!before.dirty && !part.dirty) return { is: this.gradient(recorded), dirty: false, index: recorded };
    const sum = attempt(() => summed(before.is, part.is, dtype));
    return sum
      ? { is: sum, dirty: true, index: this.store(sum) }
      : { is: this.gradient(recorded), dirty: false, index: recorded };
  }
  private leaf(step: StepJson & { kind: "leaf" }): StepJson {
    const part = this.sums.get(key(step));
    const before = step.before === null ? undefined : this.grads.get(step.node);
    if (!part) return step;
    const sum = this.added(before, part, step.after, this.recording.node(step.node).dtype);
    this.grads.set(step.node, sum);
    return { ...step, before: before?.index ?? step.before, after: sum.index };
  }
  private update(step: Update): Update {
    const value = this.values.get(step.node)!;
    const grad = this.grads.get(step.node);
    const lr = this.edits.lr ?? step.lr;
    const optimizer = `${step.optimizer}:${step.node}`;
    const moments = this.moments.get(optimizer);
    if (!this.everything && !value.dirty && !grad?.dirty && !moments && lr === step.lr) {
      this.values.set(step.node, { is: this.recording.tensor(step.after), dirty: false, index: step.after });
      return step;
    }
    const after = attempt(() => updated(this.recording, step, value.is, grad?.is, lr, moments));
    this.moments.delete(optimizer);
    if (!after) {
      this.stale.add(step.node);
      this.values.set(step.node, { is: this.recording.tensor(step.after), dirty: false, index: step.after });
      return step;
    }
    this.set(step.node, as(after.value, value.is.dtype));
    const { parts: _, ...rest } = step; // the parts are those of the recorded step
    const anew = { ...rest, lr, before: value.index, after: this.values.get(step.node)!.index };
    if (!after.moments || !step.state_after) return anew;
    this.moments.set(optimizer, after.moments);
    return {
      ...anew,
      state: moments ? { ...step.state, ...this.storeAll(moments) } : step.state!,
      state_after: { ...step.state_after, ...this.storeAll(after.moments) },
    };
  }
}

const key = ({ pass, node }: { pass: number; node: number }) => `${pass}:${node}`;

function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined; // unknown elements, an unknown operation, or missing attributes
  }
}
/** Undoes broadcasting and type promotion. */
export function fitted(gradient: Gradient, shape: readonly number[], dtype: string): Gradient {
  if (isSparse(gradient)) return { ...gradient, rows: as(gradient.rows, dtype) };
  return as(sumTo(gradient, shape), dtype);
}
function summed(a: Gradient, b: Gradient, dtype: string): Gradient {
  if (isSparse(a) && isSparse(b)) {
    const ids = [...a.ids, ...b.ids];
    return {
      ids,
      rows: tensor([ids.length, ...a.shape.slice(1)], [...a.rows.data, ...b.rows.data], dtype),
      shape: a.shape,
    };
  }
  return as(add(asDense(a), asDense(b)), dtype);
}
function elementsOf(x: Tensor): (number | string)[] {
  return Array.from(x.data, (each) =>
    Number.isFinite(each) ? each : each !== each ? "nan" : each > 0 ? "inf" : "-inf",
  );
}
export function toJson(value: Gradient): TensorJson {
  if (isSparse(value))
    return { dtype: value.rows.dtype, shape: [...value.shape], rows: { ids: value.ids, data: elementsOf(value.rows) } };
  return { dtype: value.dtype, shape: [...value.shape], data: elementsOf(value) };
}

// Finite differences --------------------------------------------------------------------------------

/** (f(x + h) - f(x - h)) / 2h, where f is the loss of the pass and x one element of a node's value.
 * In float64, whatever the recording's type. Undefined if an operation on the way is unknown. */
export function finiteDifference(recording: Recording, pass: number, node: number, at: number): number | undefined {
  const seed = recording.seedOf(pass);
  const { step } = recording.moments[seed] ?? {};
  if (step?.kind !== "seed") return undefined;
  const x = recording.tensor(recording.value(node, seed));
  const h = attempt(() => 1e-5 * Math.max(1, Math.abs(x.data[at]!)));
  if (h === undefined) return undefined;
  const loss = (delta: number) =>
    disturbedLoss(recording, seed, step.node, recording.tensor(step.gradient), node, at, delta);
  const [above, below] = [attempt(() => loss(h)), attempt(() => loss(-h))];
  return above === undefined || below === undefined ? undefined : (above - below) / (2 * h);
}

/** sum(seed * y), where y is computed again from the disturbed value. */
function disturbedLoss(
  recording: Recording,
  seed: number,
  last: number,
  dy: Tensor,
  node: number,
  at: number,
  delta: number,
): number {
  const changed = new Map<number, Tensor>();
  const x = recording.tensor(recording.value(node, seed));
  const data = Float64Array.from(x.data);
  data[at]! += delta;
  changed.set(node, new Tensor(x.shape, data));
  for (let id = node + 1; id <= last; ++id) {
    const own = recording.node(id);
    if (!own.inputs?.some((from) => changed.has(from))) continue;
    if (!recording.isRecorded(id, seed)) continue;
    const inputs = own.inputs.map((from) =>
      from < 0 ? undefined : (changed.get(from) ?? recording.tensor(recording.value(from, seed))),
    );
    changed.set(id, operations[own.op!]!.forward(callOf(recording, id, inputs)));
  }
  const y = changed.get(last);
  return y ? y.data.reduce((sum, value, i) => sum + value * dy.data[i]!, 0) : 0;
}
