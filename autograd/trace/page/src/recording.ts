// Recording: a tape that can be asked what holds at any moment. The page shows moments; a moment is
// a step of the JSON, or one half of a contribution whose broadcasting was undone. Read next:
// src/replay.ts.
import {
  numberOf,
  type Contribution,
  type NodeJson,
  type StepJson,
  type TapeJson,
  type TensorJson,
  type Update,
} from "./format.ts";
import { fromJson, type Tensor } from "./tensor.ts";

export interface Moment {
  step: StepJson;
  index: number; // of the step in the JSON
  part: "whole" | "rule" | "undo"; // "rule" ends before broadcasting is undone
}

/** What happened to one node, in order: at which moment, and the tensor that holds since then. */
interface Event {
  at: number;
  kind: "forward" | "sum" | "fire" | "release" | "grad" | "value";
  pass: number;
  tensor: number;
}

export interface GradientState {
  sum: number | null; // the sum so far, a tensor; null: no gradient yet
  complete: boolean; // its rules ran
  released: boolean;
  contributions: number;
}

/** Where NaN or infinity began. */
export interface NonFinite {
  moment: number;
  node: number;
  tensor: number;
}

export class Recording {
  readonly moments: Moment[] = [];
  readonly consumers: number[][];
  readonly passes: number;
  private readonly layers: number[] = []; // of each pass: how often its entries had fired before
  readonly segments: { title: string; from: number; to: number }[] = []; // moments, both included
  private readonly events: Event[][];
  private readonly tensors = new Map<number, Tensor>();
  private contributions: Map<string, Contribution[]> | undefined; // by pass and node
  private nonFinite: NonFinite | null | undefined; // null: there is none

  constructor(readonly tape: TapeJson) {
    this.events = tape.nodes.map(() => []);
    this.consumers = tape.nodes.map(() => []);
    tape.nodes.forEach((node, id) => node.inputs?.forEach((from) => from >= 0 && this.consumers[from]!.push(id)));
    let passes = 0;
    tape.steps.forEach((step, index) => {
      const undone = step.kind === "contribution" && step.raw !== step.gradient;
      if (undone) this.moments.push({ step, index, part: "rule" });
      this.moments.push({ step, index, part: undone ? "undo" : "whole" });
      this.note(step, this.moments.length - 1);
      if ("pass" in step) passes = Math.max(passes, step.pass + 1);
    });
    this.passes = passes;
    this.findLayers();
    this.findSegments();
  }

  private note(step: StepJson, at: number): void {
    const add = (node: number, kind: Event["kind"], pass: number, tensor: number) =>
      this.events[node]?.push({ at, kind, pass, tensor });
    if (step.kind === "forward") add(step.node, "forward", -1, this.node(step.node).value);
    if (step.kind === "seed") add(step.node, "sum", step.pass, step.gradient);
    if (step.kind === "fire") add(step.node, "fire", step.pass, step.gradient);
    if (step.kind === "contribution") add(step.to, "sum", step.pass, step.after);
    if (step.kind === "release") add(step.node, "release", step.pass, -1);
    if (step.kind === "leaf") add(step.node, "grad", step.pass, step.after);
    if (step.kind === "update") add(step.node, "value", -1, step.after);
  }
  private findLayers(): void {
    const layerOf = new Map<number, number>(); // node -> layer of the latest pass that fired it
    const fired = Array.from({ length: this.passes }, (): number[] => []);
    for (const step of this.tape.steps) if (step.kind === "fire") fired[step.pass]!.push(step.node);
    for (const [pass, nodes] of fired.entries()) {
      this.layers[pass] = nodes.reduce((most, node) => Math.max(most, (layerOf.get(node) ?? -1) + 1), 0);
      for (const node of nodes) layerOf.set(node, this.layers[pass]!);
    }
  }
  /** The parts between snapshots. A snapshot names what follows it if the recording begins with one,
   * and otherwise what comes before it. */
  private findSegments(): void {
    const marks = this.moments.flatMap(({ step }, at) => (step.kind === "snapshot" ? [{ title: step.title, at }] : []));
    if (marks.length === 0) return;
    const last = this.moments.length - 1;
    if (marks[0]!.at === 0) {
      marks.forEach(({ title, at }, i) =>
        this.segments.push({ title, from: at, to: (marks[i + 1]?.at ?? last + 1) - 1 }),
      );
      return;
    }
    let from = 0;
    for (const { title, at } of marks) {
      this.segments.push({ title, from, to: at });
      from = at + 1;
    }
    if (from <= last) this.segments.push({ title: "", from, to: last });
  }

  node(id: number): NodeJson {
    return this.tape.nodes[id]!;
  }
  json(tensor: number): TensorJson {
    return this.tape.tensors[tensor]!;
  }
  tensor(index: number): Tensor {
    let found = this.tensors.get(index);
    if (!found) this.tensors.set(index, (found = fromJson(this.json(index))));
    return found;
  }
  /** hidden.weight, or tanh, or "data". */
  name(id: number): string {
    const node = this.node(id);
    return node.kind === "operation" ? node.op! : node.name || node.kind;
  }

  // What holds after moment `at` -------------------------------------------------------------------

  isRecorded(id: number, at: number): boolean {
    if (this.node(id).kind !== "operation") return true;
    const forward = this.forwardMoment(id);
    return forward >= 0 && forward <= at;
  }
  /** When the operation was recorded; -1 for leaves. */
  forwardMoment(id: number): number {
    return this.events[id]!.find((event) => event.kind === "forward")?.at ?? -1;
  }
  value(id: number, at: number): number {
    let value = this.node(id).value;
    const updates = this.events[id]!.filter((event) => event.kind === "value");
    const first = updates[0];
    if (first) value = (this.moments[first.at]!.step as Update).before;
    for (const event of updates) if (event.at <= at) value = event.tensor;
    return value;
  }
  gradient(id: number, pass: number, at: number): GradientState {
    const state: GradientState = { sum: null, complete: false, released: false, contributions: 0 };
    for (const event of this.events[id]!) {
      if (event.at > at || event.pass !== pass) continue;
      if (event.kind === "sum") ((state.sum = event.tensor), ++state.contributions);
      if (event.kind === "fire") ((state.sum = event.tensor), (state.complete = true));
      if (event.kind === "release") state.released = true;
      if (event.kind === "grad") state.complete = true;
    }
    return state;
  }
  /** grad() of a leaf, the sum over all passes; null if there is none yet. */
  grad(id: number, at: number): number | null {
    let grad: number | null = null;
    for (const event of this.events[id]!) if (event.kind === "grad" && event.at <= at) grad = event.tensor;
    return grad;
  }
  /** The moments at which something happened to this node. */
  history(id: number): number[] {
    return this.events[id]!.map((event) => event.at);
  }
  passAt(at: number): number {
    for (let i = Math.min(at, this.moments.length - 1); i >= 0; --i) {
      const { step } = this.moments[i]!;
      if ("pass" in step) return step.pass;
    }
    return 0;
  }
  /** 0 for a first pass; 1 for a second one over the same entries, which is a layer of its own. */
  layer(pass: number): number {
    return this.layers[pass] ?? 0;
  }
  contributionsTo(id: number, pass: number): Contribution[] {
    if (!this.contributions) {
      this.contributions = new Map();
      for (const step of this.tape.steps) {
        if (step.kind !== "contribution") continue;
        const key = `${step.pass}:${step.to}`;
        const list = this.contributions.get(key);
        if (list) list.push(step);
        else this.contributions.set(key, [step]);
      }
    }
    return this.contributions.get(`${pass}:${id}`) ?? [];
  }
  seedOf(pass: number): number {
    return this.moments.findIndex(({ step }) => step.kind === "seed" && step.pass === pass);
  }
  segmentOf(at: number): number {
    return this.segments.findIndex(({ from, to }) => from <= at && at <= to);
  }

  // Bytes and non-finite elements ------------------------------------------------------------------

  /** What the tape holds after each moment; undefined where the JSON does not say. */
  bytes(): number[] {
    let held = 0;
    return this.moments.map(({ step }) => {
      if ((step.kind === "forward" || step.kind === "release") && step.bytes !== undefined) held = step.bytes;
      return held;
    });
  }
  private holds(tensor: number, test: (x: number) => boolean): boolean {
    const json = this.json(tensor);
    if (json.summary) return json.summary.nonfinite > 0;
    return (json.data ?? json.rows?.data ?? []).some((each) => test(numberOf(each)));
  }
  /** Where NaN began: in a result or a gradient, though nothing that it was computed from is NaN. If
   * there is none, where infinity began; a mask of -infinity is meant, so it does not count. */
  firstNonFinite(): NonFinite | undefined {
    if (this.nonFinite === undefined)
      this.nonFinite = this.findFirst(Number.isNaN) ?? this.findFirst((x) => Math.abs(x) === Infinity) ?? null;
    return this.nonFinite ?? undefined;
  }
  private findFirst(test: (x: number) => boolean): NonFinite | undefined {
    const tested = new Map<number, boolean>();
    const bad = (tensor: number) => {
      let known = tested.get(tensor);
      if (known === undefined) tested.set(tensor, (known = this.holds(tensor, test)));
      return known;
    };
    for (const [moment, { step }] of this.moments.entries()) {
      if (step.kind === "forward" && bad(this.node(step.node).value)) {
        const node = this.node(step.node);
        if (/^(masked_fill|where)$/.test(node.op!) && !test(NaN)) continue;
        const from = node.inputs?.find((input) => input >= 0 && bad(this.value(input, moment)));
        if (from === undefined) return { moment, node: step.node, tensor: node.value };
        if (this.node(from).kind !== "operation" && test(NaN))
          return { moment, node: from, tensor: this.value(from, moment) };
      }
      if (step.kind === "contribution" && bad(step.raw)) {
        const incoming = this.gradient(step.from, step.pass, moment).sum;
        if (incoming !== null && !bad(incoming)) return { moment, node: step.from, tensor: step.raw };
      }
    }
    return undefined;
  }
}
