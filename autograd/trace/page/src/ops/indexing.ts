// Copies by index or mask, and lookups in tables. Read next: src/ops/images.ts.
import { numel } from "../format.ts";
import { addAt, expand, pick, strides, Tensor, walk, wrap, zeros, zip, type RowSparse } from "../tensor.ts";
import { flagAt, input, need, numberAt, type Call, type Operation, type Operations } from "./operation.ts";

const dimOf = (call: Call, x: Tensor) => wrap(numberAt(call, "dim", 0), Math.max(x.dim, 1));

/** Positions in x of x[..., index[i], ...]. */
function selected(call: Call, x: Tensor): Int32Array {
  const index = need(call, "index");
  if (x.dim === 0) return new Int32Array(index.size);
  const dim = dimOf(call, x);
  const own = strides(x.shape);
  const shape = x.shape.map((size, d) => (d === dim ? index.size : size));
  const steps = strides(shape);
  const rest = walk(
    shape,
    own.map((stride, d) => (d === dim ? 0 : stride)),
    0,
  );
  return rest.map((from, i) => from + index.data[Math.floor(i / steps[dim]!) % index.size]! * own[dim]!);
}
/** Positions in a tensor of `shape` of the elements that `index` names along dim (gather). */
function gathered(call: Call, shape: readonly number[]): Int32Array {
  const index = need(call, "index");
  const dim = wrap(numberAt(call, "dim", 0), Math.max(shape.length, 1));
  const own = strides(shape);
  if (shape.length === 0) return new Int32Array(index.size);
  const rest = walk(
    index.shape,
    own.map((stride, d) => (d === dim ? 0 : stride)),
    0,
  );
  return rest.map((from, i) => from + index.data[i]! * own[dim]!);
}
function covered(call: Call): Tensor {
  const [source, index] = [input(call, 1), need(call, "index")];
  if (source.shape.every((size, d) => size === index.shape[d])) return source;
  return pick(source, walk(index.shape, strides(source.shape), 0), index.shape);
}

function scatterInto(call: Call, adds: boolean): Tensor {
  const x = input(call, 0);
  const out = Float64Array.from(x.data);
  const source = covered(call);
  gathered(call, x.shape).forEach((to, i) => (out[to] = (adds ? out[to]! : 0) + source.data[i]!));
  return new Tensor(x.shape, out, x.dtype);
}
function scatterRule(adds: boolean): Operation["rule"] {
  return (call, _y, dy, i) => {
    const at = gathered(call, dy.shape);
    if (i === 1) return pick(dy, at, need(call, "index").shape);
    if (adds) return dy;
    const rest = Float64Array.from(dy.data);
    at.forEach((to) => (rest[to] = 0));
    return new Tensor(dy.shape, rest, dy.dtype);
  };
}

/** The elements that scatter_reduce reduces to each element of the result: x's own first, if it takes part. */
function groupsOf(call: Call, x: Tensor): { groups: number[][]; at: Int32Array; named: Set<number> } {
  const source = covered(call);
  const at = gathered(call, x.shape);
  const named = new Set(at);
  const alone = !flagAt(call, "include_self", true);
  const groups = Array.from(x.data, (v, to) => (alone && named.has(to) ? [] : [v]));
  at.forEach((to, i) => groups[to]!.push(source.data[i]!));
  return { groups, at, named };
}
const total = (list: number[]) => list.reduce((a, b) => a + b, 0);
const product = (list: number[]) => list.reduce((a, b) => a * b, 1);
const reduceTo: Record<string, (list: number[]) => number> = {
  sum: total,
  mean: (list) => total(list) / list.length,
  prod: product,
  amax: (list) => Math.max(...list),
  amin: (list) => Math.min(...list),
};
/** The derivative of the reduction by element k of the list. */
const reduceBy: Record<string, (list: number[], y: number, k: number) => number> = {
  sum: () => 1,
  mean: (list) => 1 / list.length,
  prod: (list, _y, k) => product(list.filter((_, j) => j !== k)),
  amax: (list, y, k) => (list[k] === y ? 1 / list.filter((v) => v === y).length : 0),
  amin: (list, y, k) => (list[k] === y ? 1 / list.filter((v) => v === y).length : 0),
};
const scatterReduce: Operation = {
  forward: (call) => {
    const x = input(call, 0);
    const reduce = reduceTo[String(call.attributes.reduce)]!;
    return new Tensor(x.shape, Float64Array.from(groupsOf(call, x).groups, reduce), x.dtype);
  },
  rule: (call, y, dy, i) => {
    const by = reduceBy[String(call.attributes.reduce)]!;
    const { groups, at, named } = groupsOf(call, input(call, 0));
    const own = (to: number) => flagAt(call, "include_self", true) || !named.has(to);
    if (i === 0) {
      const part = (d: number, to: number) => (own(to) ? d * by(groups[to]!, y.data[to]!, 0) : 0);
      return new Tensor(dy.shape, Float64Array.from(dy.data, part), dy.dtype);
    }
    const place = groups.map((_, to) => (own(to) ? 1 : 0)); // of the next element in its group
    const parts = Float64Array.from(at, (to) => dy.data[to]! * by(groups[to]!, y.data[to]!, place[to]!++));
    return new Tensor(need(call, "index").shape, parts, dy.dtype);
  },
};

function maskPositions(call: Call, wide: readonly number[]): number[] {
  const mask = expand(need(call, "mask"), wide);
  return Array.from(mask.data.keys()).filter((i) => mask.data[i]);
}
const wideShape = (call: Call) =>
  zip(input(call, 0).known ? input(call, 0) : zeros(input(call, 0).shape), need(call, "mask"), (a) => a).shape;

// Tables ------------------------------------------------------------------------------------------

/** 1 / count or 1 / sqrt(count) for each id, by how often it occurs. */
function frequencyFactors(call: Call, ids: number[]): number[] {
  const kind = call.attributes.scale_grad_by_freq;
  if (!kind || kind === "none") return ids.map(() => 1);
  const count = new Map<number, number>();
  ids.forEach((id) => count.set(id, (count.get(id) ?? 0) + 1));
  return ids.map((id) => (kind === "inverse_sqrt" ? 1 / Math.sqrt(count.get(id)!) : 1 / count.get(id)!));
}
function paddingOf(call: Call): number {
  const padding = numberAt(call, "padding_idx", NaN);
  return padding < 0 ? padding + call.inputs[0]!.shape[0]! : padding;
}

const embedding: Operation = {
  forward: (call) => {
    const [weight, ids] = [input(call, 0), need(call, "ids")];
    const width = weight.shape[1]!;
    const out = new Float64Array(ids.size * width);
    ids.data.forEach((id, i) => {
      if (flagAt(call, "zero_padding", false) && id === paddingOf(call)) return;
      for (let j = 0; j < width; ++j) out[i * width + j] = weight.data[id * width + j]!;
    });
    return new Tensor(call.shape, out, call.dtype);
  },
  rule: (call, _y, dy): RowSparse => {
    const weight = input(call, 0);
    const all = Array.from(need(call, "ids").data);
    const factors = frequencyFactors(call, all).map((factor, i) => (all[i] === paddingOf(call) ? 0 : factor));
    const width = weight.shape[1]!;
    const rows = Float64Array.from(dy.data, (d, k) => d * factors[Math.floor(k / width)]!);
    return { ids: all, rows: new Tensor([all.length, width], rows, dy.dtype), shape: weight.shape };
  },
};

/** The bag of each id; ids that are padding belong to no bag (-1). */
function bags(call: Call): { ids: number[]; bag: number[]; count: number[] } {
  const ids = need(call, "ids");
  const offsets = call.tensor("offsets");
  const list = Array.from(ids.data);
  const starts = offsets ? Array.from(offsets.data) : [];
  const bag = list.map((id, i) => {
    if (id === paddingOf(call)) return -1;
    if (!offsets) return Math.floor(i / ids.shape[1]!);
    let b = 0;
    while (b + 1 < starts.length && starts[b + 1]! <= i) ++b;
    return b;
  });
  const count = new Array<number>(call.shape[0]!).fill(0);
  bag.forEach((b, i) => (b >= count.length ? (bag[i] = -1) : b >= 0 && count[b]!++));
  return { ids: list, bag, count };
}
function bagWeights(call: Call, { bag, count }: ReturnType<typeof bags>): number[] {
  const mode = call.attributes.mode ?? "mean";
  return bag.map((b, i) => (b < 0 ? 0 : mode === "mean" ? 1 / count[b]! : (call.inputs[1]?.data[i] ?? 1)));
}
/** For each element of the result, the position in ids of the row that wins; -1 in an empty bag. */
function winners(call: Call, all: ReturnType<typeof bags>): Int32Array {
  const weight = input(call, 0);
  const width = call.shape[1]!;
  const best = new Int32Array(numel(call.shape)).fill(-1);
  all.bag.forEach((b, i) => {
    for (let j = 0; b >= 0 && j < width; ++j) {
      const at = b * width + j;
      const value = weight.data[all.ids[i]! * width + j]!;
      if (best[at]! < 0 || value > weight.data[all.ids[best[at]!]! * width + j]! || value !== value) best[at] = i;
    }
  });
  return best;
}

const embeddingBag: Operation = {
  forward: (call) => {
    const all = bags(call);
    const weight = input(call, 0);
    const width = call.shape[1]!;
    const out = new Float64Array(numel(call.shape));
    if (call.attributes.mode === "max") {
      winners(call, all).forEach((i, at) => (out[at] = i < 0 ? 0 : weight.data[all.ids[i]! * width + (at % width)]!));
      return new Tensor(call.shape, out, call.dtype);
    }
    bagWeights(call, all).forEach((factor, i) => {
      const b = all.bag[i]!;
      for (let j = 0; b >= 0 && j < width; ++j) out[b * width + j]! += factor * weight.data[all.ids[i]! * width + j]!;
    });
    return new Tensor(call.shape, out, call.dtype);
  },
  rule: (call, _y, dy, i): Tensor | RowSparse => {
    const all = bags(call);
    const weight = call.inputs[0]!;
    const width = call.shape[1]!;
    const upper = (k: number, j: number) => (all.bag[k]! < 0 ? 0 : dy.data[all.bag[k]! * width + j]!);
    if (i === 1) {
      const dots = all.ids.map((id, k) =>
        Array.from({ length: width }, (_, j) => upper(k, j) * weight.data[id * width + j]!).reduce((a, b) => a + b, 0),
      );
      return new Tensor(call.inputs[1]!.shape, Float64Array.from(dots), dy.dtype);
    }
    const rows = new Float64Array(all.ids.length * width);
    if (call.attributes.mode === "max") {
      winners(call, all).forEach((k, at) => k >= 0 && (rows[k * width + (at % width)]! += dy.data[at]!));
    } else {
      const factors = bagWeights(call, all).map((factor, k) => factor * frequencyFactors(call, all.ids)[k]!);
      rows.forEach(
        (_, at) => (rows[at] = factors[Math.floor(at / width)]! * upper(Math.floor(at / width), at % width)),
      );
    }
    return { ids: all.ids, rows: new Tensor([all.ids.length, width], rows, dy.dtype), shape: weight.shape };
  },
};

export const indexing: Operations = {
  index_select: {
    forward: (call) => pick(input(call, 0), selected(call, input(call, 0)), call.shape),
    rule: (call, _y, dy) => addAt(input(call, 0).shape, selected(call, input(call, 0)), dy),
  },
  gather: {
    forward: (call) => pick(input(call, 0), gathered(call, input(call, 0).shape), call.shape),
    rule: (call, _y, dy) => addAt(input(call, 0).shape, gathered(call, input(call, 0).shape), dy),
  },
  scatter: { forward: (call) => scatterInto(call, false), rule: scatterRule(false) },
  scatter_add: { forward: (call) => scatterInto(call, true), rule: scatterRule(true) },
  scatter_reduce: scatterReduce,
  index_add: {
    forward: (call) => {
      const x = input(call, 0);
      const out = Float64Array.from(x.data);
      selected(call, x).forEach((to, i) => (out[to]! += input(call, 1).data[i]!));
      return new Tensor(x.shape, out, x.dtype);
    },
    rule: (call, _y, dy, i) => (i === 0 ? dy : pick(dy, selected(call, dy), input(call, 1).shape)),
  },
  masked_select: {
    forward: (call) => pick(expand(input(call, 0), wideShape(call)), maskPositions(call, wideShape(call)), call.shape),
    rule: (call, _y, dy) => addAt(wideShape(call), maskPositions(call, wideShape(call)), dy),
  },
  masked_fill: {
    forward: (call) => zip(input(call, 0), need(call, "mask"), (x, m) => (m ? numberAt(call, "value", 0) : x)),
    rule: (call, _y, dy) => zip(dy, need(call, "mask"), (d, m) => (m ? 0 : d)),
  },
  embedding,
  embedding_bag: embeddingBag,
};
