// Operations that the library computes in one entry, here from simpler ones, with a small tape of
// their own that derives the rule. So these rules are checked against an independent derivation.
// Read next: src/ops/index.ts.
import type { Attributes } from "../format.ts";
import { add, map, reshape, sumTo, Tensor, zeros, zip } from "../tensor.ts";
import { elementwise } from "./elementwise.ts";
import { matrix } from "./matrix.ts";
import { flagAt, input, need, numberAt, type Call, type Operation, type Operations } from "./operation.ts";
import { reductions } from "./reductions.ts";
import { shapes } from "./shapes.ts";

const simple: Operations = { ...elementwise, ...reductions, ...shapes, ...matrix };

/** A value, and how its gradient reaches the values that it was computed from. */
class Value {
  gradient?: Tensor;
  constructor(
    readonly tensor: Tensor,
    readonly inputs: Value[] = [],
    readonly pull?: (dy: Tensor) => void,
  ) {}
}

/** Applies an operation; the shape is needed where the operation does not follow from its inputs. */
function apply(
  name: string,
  inputs: Value[],
  attributes: Attributes = {},
  shape?: readonly number[],
  extra?: Record<string, Tensor>,
): Value {
  const call: Call = {
    inputs: inputs.map((x) => x.tensor),
    attributes,
    shape: shape ?? [],
    dtype: inputs[0]!.tensor.dtype,
    tensor: (key) => extra?.[key],
  };
  const operation = simple[name]!;
  const y = operation.forward(call);
  const pull = (dy: Tensor) =>
    inputs.forEach((x, i) => {
      const part = sumTo(operation.rule(call, y, dy, i) as Tensor, x.tensor.shape);
      x.gradient = x.gradient ? add(x.gradient, part) : part;
    });
  return new Value(y, inputs, pull);
}

/** Plays the values back from `last`. */
function backward(last: Value, dy: Tensor): void {
  const order: Value[] = [];
  const seen = new Set<Value>();
  const stack: [Value, boolean][] = [[last, false]];
  while (stack.length > 0) {
    const [value, done] = stack.pop()!;
    if (done) order.push(value);
    if (done || seen.has(value)) continue;
    seen.add(value);
    stack.push([value, true], ...value.inputs.map((x): [Value, boolean] => [x, false]));
  }
  last.gradient = dy;
  for (const value of order.reverse()) if (value.gradient) value.pull?.(value.gradient);
}

/** An operation from its forward pass, written with apply(). */
function composed(forward: (call: Call, inputs: Value[]) => Value): Operation {
  let latest: { call: Call; dy: Tensor; inputs: Value[] } | undefined;
  const valuesOf = (call: Call) => call.inputs.map((x) => new Value(x ?? zeros([])));
  return {
    forward: (call) => reshape(forward(call, valuesOf(call)).tensor, call.shape),
    rule: (call, _y, dy, i) => {
      if (latest?.call !== call || latest.dy !== dy) {
        const inputs = valuesOf(call);
        const y = forward(call, inputs);
        backward(y, reshape(dy, y.tensor.shape));
        latest = { call, dy, inputs };
      }
      return latest.inputs[i]!.gradient ?? zeros(input(call, i).shape, dy.dtype);
    },
  };
}

const constant = (x: Tensor) => new Value(x);
const plus = (a: Value, b: Value) => apply("add", [a, b]);
const times = (a: Value, b: Value) => apply("mul", [a, b]);
const through = (name: string, x: Value) => apply(name, [x]);
const shaped = (x: Value, shape: readonly number[]) => apply("reshape", [x], {}, shape);

// Recurrent networks ------------------------------------------------------------------------------

interface State {
  h: Value;
  c?: Value;
}

function gate(x: Value, which: number, hidden: number): Value {
  return apply("narrow", [x], { dim: -1, start: which * hidden, length: hidden }, [
    ...x.tensor.shape.slice(0, -1),
    hidden,
  ]);
}
// The formulas stand in autograd/ops/recurrent.cc.
function step(kind: string, a: Value, b: Value, before: State): State {
  const hidden = before.h.tensor.shape.at(-1)!;
  const both = (k: number) => plus(gate(a, k, hidden), gate(b, k, hidden));
  if (kind === "lstm") {
    const [i, f, g, o] = [
      through("sigmoid", both(0)),
      through("sigmoid", both(1)),
      through("tanh", both(2)),
      through("sigmoid", both(3)),
    ];
    const c = plus(times(f, before.c!), times(i, g));
    return { h: times(o, through("tanh", c)), c };
  }
  if (kind === "gru") {
    const [r, z] = [through("sigmoid", both(0)), through("sigmoid", both(1))];
    const n = through("tanh", plus(gate(a, 2, hidden), times(r, gate(b, 2, hidden))));
    return { h: plus(n, times(z, apply("sub", [before.h, n]))) };
  }
  return { h: through(kind, plus(a, b)) };
}

function linear(x: Value, weight: Value, bias: Value | undefined): Value {
  const shape = [...x.tensor.shape.slice(0, -1), weight.tensor.shape[0]!];
  return apply("linear", bias ? [x, weight, bias] : [x, weight], {}, shape);
}

/** A whole sequence (steps, batch, input); a cell is a sequence of one step. */
function recurrent(kind: string, isCell: boolean): Operation {
  return composed((call, inputs) => {
    const given = (i: number) => (call.inputs[i] ? inputs[i] : undefined);
    const [x0, weightIh, weightHh] = inputs as [Value, Value, Value];
    const hidden = weightHh.tensor.shape[1]!;
    const own = x0.tensor.shape;
    const batch = isCell ? own.slice(0, -1).reduce((product, size) => product * size, 1) : own[1]!;
    const steps = isCell ? 1 : own[0]!;
    const x = shaped(x0, [steps, batch, own.at(-1)!]);
    const start = (i: number) =>
      given(i) ? shaped(given(i)!, [batch, hidden]) : constant(zeros([batch, hidden], call.dtype));
    const cellKind = kind === "rnn" ? String(call.attributes.nonlinearity ?? "tanh") : kind;
    let state: State = { h: start(5), c: kind === "lstm" ? start(6) : undefined };
    const mask = call.tensor("mask");
    const outputs = new Array<Value>(steps);
    for (let turn = 0; turn < steps; ++turn) {
      const t = flagAt(call, "reverse", false) ? steps - 1 - turn : turn;
      const now = apply("select", [x], { dim: 0, index: t }, [batch, own.at(-1)!]);
      const next = step(cellKind, linear(now, weightIh, given(3)), linear(state.h, weightHh, given(4)), state);
      const keep = (fresh: Value, old: Value) =>
        mask
          ? apply("where", [fresh, old], {}, [batch, hidden], {
              condition: new Tensor([batch, 1], mask.data.slice(t * batch, (t + 1) * batch)),
            })
          : fresh;
      state = { h: keep(next.h, state.h), c: next.c && keep(next.c, state.c!) };
      outputs[t] = state.h;
    }
    if (kind === "lstm") outputs.push(state.c!);
    return apply(
      "cat",
      outputs.map((h) => shaped(h, [1, batch, hidden])),
      { dim: 0 },
      [outputs.length, batch, hidden],
    );
  });
}

// Losses and normalization ------------------------------------------------------------------------

/** For each row and class, the weight of -log p: the target's distribution, smoothed and weighted. */
function crossEntropyWeights(call: Call): Tensor {
  const [rows, classes] = call.inputs[0]!.shape as [number, number];
  const [target, weight] = [need(call, "target"), call.tensor("weight")];
  const smoothing = numberAt(call, "label_smoothing", 0);
  const ignored = numberAt(call, "ignore_index", -100);
  const weightOf = (c: number) => weight?.data[c] ?? 1;
  const q = zeros([rows, classes]);
  let total = 0;
  target.data.forEach((y, i) => {
    if (y === ignored) return;
    total += weightOf(y);
    for (let c = 0; c < classes; ++c)
      q.data[i * classes + c] = weightOf(c) * ((c === y ? 1 - smoothing : 0) + smoothing / classes);
  });
  return (call.attributes.reduction ?? "mean") === "mean" ? map(q, (each) => each / total) : q;
}
const crossEntropy = composed((call, [logits]) => {
  // A class that does not count may have the probability 0: 0 * -infinity would be NaN.
  const logs = apply("clamp", [apply("log_softmax", [logits!], { dim: 1 })], { min: -Number.MAX_VALUE });
  const losses = times(logs, constant(map(crossEntropyWeights(call), (q) => -q)));
  return apply("sum", [losses], call.attributes.reduction === "none" ? { dim: [1] } : {}, call.shape);
});

// Near 0 and 1 the library bounds the logarithms by -100, and x (1 - x) by 1e-12, as PyTorch does.
const log = (p: number) => Math.max(Math.log(p), -100);
const logOfRest = (p: number) => Math.max(Math.log1p(-p), -100);
const bceLoss: Operation = {
  forward: (call) => zip(input(call, 0), input(call, 1), (x, t) => (t - 1) * logOfRest(x) - t * log(x)),
  rule: (call, _y, dy, i) => {
    const [x, t] = [input(call, 0), input(call, 1)];
    if (i === 1) return zip(dy, x, (d, p) => d * (logOfRest(p) - log(p)));
    const slope = zip(x, t, (p, target) => (p - target) / Math.max(p * (1 - p), Math.fround(1e-12)));
    return zip(dy, slope, (d, each) => d * each);
  },
};

const layerNorm = composed((call, [x, weight, bias]) => {
  const last = (call.attributes.normalized_shape as number[] | undefined)?.length ?? 1;
  const dim = Array.from({ length: last }, (_, d) => x!.tensor.dim - 1 - d);
  const kept = x!.tensor.shape.map((size, d) => (dim.includes(d) ? 1 : size));
  const mean = (v: Value) => apply("mean", [v], { dim, keepdim: true }, kept);
  const centered = apply("sub", [x!, mean(x!)]);
  const root = through(
    "rsqrt",
    apply("add", [mean(through("square", centered))], { other: numberAt(call, "eps", 1e-5) }),
  );
  const n = times(centered, root);
  const scaled = call.inputs[1] ? times(n, weight!) : n;
  return call.inputs[2] ? plus(scaled, bias!) : scaled;
});

export const compositions: Operations = {
  rnn: recurrent("rnn", false),
  gru: recurrent("gru", false),
  lstm: recurrent("lstm", false),
  rnn_cell: recurrent("rnn", true),
  gru_cell: recurrent("gru", true),
  lstm_cell: recurrent("lstm", true),
  cross_entropy: crossEntropy,
  bce_loss: bceLoss,
  layer_norm: layerNorm,
};
