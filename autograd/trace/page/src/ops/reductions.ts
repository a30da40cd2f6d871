// Reductions, softmax and sorting. Read next: src/ops/shapes.ts.
import {
  add,
  addAt,
  div,
  expand,
  keptShape,
  map,
  maxOver,
  mul,
  pick,
  positions,
  reducedDims,
  reshape,
  scale,
  strides,
  sub,
  sumOver,
  sumTo,
  Tensor,
  walk,
  wrap,
  zip,
} from "../tensor.ts";
import { flagAt, input, numberAt, type Call, type Operation, type Operations } from "./operation.ts";

/** A reduction's dimensions, the shape that keeps them, and how many elements become one. */
function reduced(call: Call) {
  const x = input(call, 0);
  const dims = reducedDims(call.attributes.dim, x.dim);
  const kept = keptShape(x.shape, dims);
  return { x, dims, kept, count: dims.reduce((n, d) => n * x.shape[d]!, 1) };
}
const centered = (x: Tensor, dims: number[], count: number) => sub(x, scale(sumOver(x, dims), 1 / count));
const divisor = (call: Call, count: number) => count - (flagAt(call, "unbiased", true) ? 1 : 0);

function variance(call: Call): Tensor {
  const { x, dims, count } = reduced(call);
  const c = centered(x, dims, count);
  return scale(sumOver(mul(c, c), dims), 1 / divisor(call, count));
}

const sum: Operation = {
  forward: (call) => reshape(sumOver(input(call, 0), reduced(call).dims), call.shape),
  rule: (call, _y, dy) => expand(reshape(dy, reduced(call).kept), input(call, 0).shape),
};
const mean: Operation = {
  forward: (call) => scale(sum.forward(call), 1 / reduced(call).count),
  rule: (call, y, dy) => scale(sum.rule(call, y, dy, 0) as Tensor, 1 / reduced(call).count),
};

function norm(x: Tensor, p: number, dims: number[]): Tensor {
  const size = map(x, Math.abs);
  if (p === Infinity) return maxOver(size, dims);
  if (p === -Infinity)
    return map(
      maxOver(
        map(size, (v) => -v),
        dims,
      ),
      (v) => -v,
    );
  if (p === 0)
    return sumOver(
      map(x, (v) => (v === 0 ? 0 : 1)),
      dims,
    );
  return map(
    sumOver(
      map(size, (v) => Math.pow(v, p)),
      dims,
    ),
    (v) => Math.pow(v, 1 / p),
  );
}
function normRule(call: Call, y: Tensor, dy: Tensor): Tensor {
  const { x, dims, kept } = reduced(call);
  const p = numberAt(call, "p", 2);
  const [result, upper] = [expand(reshape(y, kept), x.shape), expand(reshape(dy, kept), x.shape)];
  if (p === 0) return map(x, () => 0);
  if (Math.abs(p) === Infinity) {
    const equal = zip(x, result, (a, b) => (Math.abs(a) === b ? 1 : 0));
    return mul(mul(equal, map(x, Math.sign)), div(upper, expand(sumOver(equal, dims), x.shape)));
  }
  const factor = zip(x, result, (a, b) => {
    if (p === 1) return Math.sign(a);
    return b === 0 || (a === 0 && p > 1) ? 0 : Math.sign(a) * Math.pow(Math.abs(a) / b, p - 1);
  });
  return mul(upper, factor);
}

function softmax(x: Tensor, dims: number[]): Tensor {
  const e = map(sub(x, maxOver(x, dims)), Math.exp);
  return div(e, sumOver(e, dims));
}
function logSumExp(x: Tensor, dims: number[]): Tensor {
  const largest = map(maxOver(x, dims), (v) => (Number.isFinite(v) ? v : 0));
  return add(map(sumOver(map(sub(x, largest), Math.exp), dims), Math.log), largest);
}
const along = (call: Call) => [wrap(numberAt(call, "dim", -1), Math.max(input(call, 0).dim, 1))];

/** One list of positions for each row along dim. */
function rowsAlong(shape: readonly number[], dim: number): Int32Array[] {
  if (shape.length === 0) return [Int32Array.of(0)];
  const own = strides(shape);
  const starts = walk(
    shape.filter((_, d) => d !== dim),
    own.filter((_, d) => d !== dim),
    0,
  );
  return Array.from(starts, (start) => Int32Array.from({ length: shape[dim]! }, (_, i) => start + i * own[dim]!));
}
/** Positions in x of the elements that an operation picked, in the order of its result. */
function picked(call: Call, choose: (row: number[]) => number[]): Int32Array {
  const x = input(call, 0);
  const [dim] = along(call) as [number];
  const chosen = rowsAlong(x.shape, dim).map((row) => choose(Array.from(row, (at) => x.data[at]!)).map((i) => row[i]!));
  const each = chosen[0]?.length ?? 0;
  const shape = x.shape.map((size, d) => (d === dim ? each : size));
  const out = new Int32Array(chosen.length * each);
  rowsAlong(shape, Math.min(dim, Math.max(shape.length - 1, 0))).forEach((row, r) =>
    row.forEach((to, i) => (out[to] = chosen[r]![i]!)),
  );
  return out;
}
function order(row: number[], descending: boolean): number[] {
  const by = (a: number, b: number) => (a !== a ? (b !== b ? 0 : 1) : b !== b ? -1 : a - b);
  return row.map((_, i) => i).sort((i, j) => (descending ? by(row[j]!, row[i]!) : by(row[i]!, row[j]!)) || i - j);
}
function picking(choose: (call: Call) => (row: number[]) => number[]): Operation {
  return {
    forward: (call) => pick(input(call, 0), picked(call, choose(call)), call.shape),
    rule: (call, _y, dy) => addAt(input(call, 0).shape, picked(call, choose(call)), dy),
  };
}
function extreme(sign: 1 | -1): Operation {
  const one = picking(() => (row) => [
    row.reduce((best, v, i) => (v !== v || sign * v > sign * row[best]! ? i : best), 0),
  ]);
  const all = (x: Tensor) =>
    map(
      maxOver(
        map(x, (v) => sign * v),
        reducedDims(undefined, x.dim),
      ),
      (v) => sign * v,
    );
  return {
    forward: (call) => (call.attributes.dim === undefined ? reshape(all(input(call, 0)), []) : one.forward(call)),
    rule: (call, y, dy) => {
      if (call.attributes.dim !== undefined) return one.rule(call, y, dy, 0);
      const equal = map(input(call, 0), (v) => (v === y.item() || v !== v ? 1 : 0));
      const count = equal.data.reduce((a, b) => a + b, 0);
      return map(equal, (v) => (v ? dy.item() / count : 0));
    },
  };
}

/** amax and amin: the gradient is shared equally by the elements that equal the result. */
function extremeOver(sign: 1 | -1): Operation {
  const signed = (x: Tensor) => map(x, (v) => sign * v);
  return {
    forward: (call) => reshape(signed(maxOver(signed(input(call, 0)), reduced(call).dims)), call.shape),
    rule: (call, y, dy) => {
      const { x, dims, kept } = reduced(call);
      const result = expand(reshape(y, kept), x.shape);
      const equal = zip(x, result, (a, b) => (a === b || a !== a ? 1 : 0));
      const share = div(expand(reshape(dy, kept), x.shape), expand(sumOver(equal, dims), x.shape));
      return zip(equal, share, (hit, part) => (hit ? part : 0));
    },
  };
}

/** Running sums along dim, from the start or from the end. */
function cumulate(x: Tensor, dim: number, fromEnd: boolean): Tensor {
  const out = Float64Array.from(x.data);
  for (const row of rowsAlong(x.shape, dim)) {
    const list = fromEnd ? Array.from(row).reverse() : Array.from(row);
    for (let i = 1; i < list.length; ++i) out[list[i]!]! += out[list[i - 1]!]!;
  }
  return new Tensor(x.shape, out, x.dtype);
}

export const reductions: Operations = {
  sum,
  mean,
  var: {
    forward: (call) => reshape(variance(call), call.shape),
    rule: (call, _y, dy) => {
      const { x, dims, kept, count } = reduced(call);
      return mul(reshape(dy, kept), scale(centered(x, dims, count), 2 / divisor(call, count)));
    },
  },
  std: {
    forward: (call) => reshape(map(variance(call), Math.sqrt), call.shape),
    rule: (call, y, dy) => {
      const { x, dims, kept, count } = reduced(call);
      const factor = zip(dy, y, (d, v) => (v === 0 ? 0 : d / v));
      return mul(reshape(factor, kept), scale(centered(x, dims, count), 1 / divisor(call, count)));
    },
  },
  norm: {
    forward: (call) => reshape(norm(input(call, 0), numberAt(call, "p", 2), reduced(call).dims), call.shape),
    rule: normRule,
  },
  prod: {
    forward: (call) => {
      const { x, kept } = reduced(call);
      const out = new Float64Array(call.shape.reduce((a, b) => a * b, 1)).fill(1);
      positions(kept, x.shape).forEach((to, i) => (out[to]! *= x.data[i]!));
      return new Tensor(call.shape, out, x.dtype);
    },
    rule: (call, _y, dy) => {
      const { x, kept } = reduced(call);
      const at = positions(kept, x.shape);
      return map(new Tensor(x.shape, Float64Array.from(at.keys())), (i) => {
        let product = dy.data[at[i]!]!;
        at.forEach((to, j) => (product *= to === at[i] && j !== i ? x.data[j]! : 1));
        return product;
      });
    },
  },
  cumsum: {
    forward: (call) => cumulate(input(call, 0), along(call)[0]!, false),
    rule: (call, _y, dy) => cumulate(dy, along(call)[0]!, true),
  },
  sum_to: {
    forward: (call) => sumTo(input(call, 0), call.shape),
    rule: (call, _y, dy) => expand(dy, input(call, 0).shape),
  },
  max: extreme(1),
  min: extreme(-1),
  amax: extremeOver(1),
  amin: extremeOver(-1),
  sort: picking((call) => (row) => order(row, flagAt(call, "descending", false))),
  topk: picking((call) => (row) => order(row, flagAt(call, "largest", true)).slice(0, numberAt(call, "k", 1))),
  logsumexp: {
    forward: (call) => reshape(logSumExp(input(call, 0), reduced(call).dims), call.shape),
    rule: (call, y, dy) => {
      const { x, kept } = reduced(call);
      return mul(reshape(dy, kept), map(sub(x, reshape(y, kept)), Math.exp));
    },
  },
  softmax: {
    forward: (call) => softmax(input(call, 0), along(call)),
    rule: (call, y, dy) => mul(y, sub(dy, sumOver(mul(dy, y), along(call)))),
  },
  log_softmax: {
    forward: (call) => sub(input(call, 0), logSumExp(input(call, 0), along(call))),
    rule: (call, y, dy) => sub(dy, mul(map(y, Math.exp), sumOver(dy, along(call)))),
  },
};
