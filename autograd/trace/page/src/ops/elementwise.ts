// Elementwise operations: a function and its derivative, element by element. Read next:
// src/ops/reductions.ts.
import { map, mul, positions, scalar, Tensor, zip } from "../tensor.ts";
import { input, need, numberAt, type Call, type Operation, type Operations } from "./operation.ts";

type Unary = (x: number, call: Call) => number;
type Derivative = (x: number, y: number, call: Call) => number;

/** y = f(x), dx = dy * d(x, y). */
function unary(f: Unary, d: Derivative): Operation {
  return {
    forward: (call) => map(input(call, 0), (x) => f(x, call)),
    rule: (call, y, dy) =>
      mul(
        dy,
        zip(input(call, 0), y, (a, b) => d(a, b, call)),
      ),
  };
}

/** Both operands, of which one may be a Scalar. */
export function operands(call: Call): [Tensor, Tensor] {
  const { input: left, other, exponent } = call.attributes;
  if (call.inputs.length >= 2 && call.inputs[1]) return [input(call, 0), call.inputs[1]];
  if (left !== undefined) return [scalar(numberAt(call, "input", NaN)), input(call, 0)];
  if (other !== undefined) return [input(call, 0), scalar(numberAt(call, "other", NaN))];
  if (exponent !== undefined) return [input(call, 0), scalar(numberAt(call, "exponent", NaN))];
  throw new Error('attribute "other" or "input" is missing');
}

type Binary = (a: number, b: number, y: number) => number;

/** y = f(a, b), da = dy * left(a, b, y), db = dy * right(a, b, y). */
function binary(f: (a: number, b: number) => number, left: Binary, right: Binary): Operation {
  return {
    forward: (call) => zip(...operands(call), f),
    rule: (call, y, dy, i) => {
      const [a, b] = operands(call);
      const isRight = i === 1 || call.attributes.input !== undefined;
      const d = isRight ? right : left;
      const [at, bt] = [positions(a.shape, y.shape), positions(b.shape, y.shape)];
      const factor = y.data.map((value, k) => d(a.data[at[k]!]!, b.data[bt[k]!]!, value));
      return mul(dy, new Tensor(y.shape, factor, y.dtype));
    },
  };
}
const half = (chosen: boolean, equal: boolean) => (equal ? 0.5 : chosen ? 1 : 0);

const where: Operation = {
  forward: (call) => {
    const c = need(call, "condition");
    const sides = operands(call);
    const at = (x: Tensor) => positions(x.shape, call.shape);
    const [i, a, b] = [at(c), at(sides[0]), at(sides[1])];
    const pickOne = (_: number, k: number) => (c.data[i[k]!] ? sides[0].data[a[k]!]! : sides[1].data[b[k]!]!);
    return new Tensor(call.shape, new Float64Array(i.length).map(pickOne), call.dtype);
  },
  rule: (call, _y, dy, i) => {
    const second = i === 1 || call.attributes.input !== undefined;
    return zip(dy, need(call, "condition"), (d, c) => (Boolean(c) !== second ? d : 0));
  },
};

// The error function to full precision: a series without cancellation below 3, above it a continued
// fraction (Abramowitz and Stegun 7.1.6 and 7.1.14).
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let n = 1; term > 1e-18 * sum; ++n) {
      term *= (2 * z * z) / (2 * n + 1);
      sum += term;
    }
    return (Math.sign(x) * 2 * Math.exp(-z * z) * sum) / Math.sqrt(Math.PI);
  }
  if (z > 6) return Math.sign(x);
  let fraction = 0;
  for (let n = 60; n >= 1; --n) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / ((z + fraction) * Math.sqrt(Math.PI)));
}
const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const normal = (x: number) => 0.5 * (1 + erf(x / Math.SQRT2));
const floorDiv = (a: number, b: number) => Math.floor(a / b);
function roundHalfEven(x: number): number {
  const near = Math.round(x);
  return Math.abs(x % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

export const elementwise: Operations = {
  add: binary(
    (a, b) => a + b,
    () => 1,
    () => 1,
  ),
  sub: binary(
    (a, b) => a - b,
    () => 1,
    () => -1,
  ),
  mul: binary(
    (a, b) => a * b,
    (_, b) => b,
    (a) => a,
  ),
  div: binary(
    (a, b) => a / b,
    (_, b) => 1 / b,
    (_, b, y) => -y / b,
  ),
  remainder: binary(
    (a, b) => a - b * floorDiv(a, b),
    () => 1,
    (a, b) => -floorDiv(a, b),
  ),
  pow: binary(
    (a, b) => Math.pow(a, b),
    (a, b) => (b === 0 ? 0 : b * Math.pow(a, b - 1)),
    (a, b, y) => (a === 0 && b >= 0 ? 0 : y * Math.log(a)),
  ),
  maximum: binary(
    (a, b) => (a !== a || b !== b ? NaN : Math.max(a, b)),
    (a, b) => half(!(a < b), a === b),
    (a, b) => half(!(b < a), a === b),
  ),
  minimum: binary(
    (a, b) => (a !== a || b !== b ? NaN : Math.min(a, b)),
    (a, b) => half(!(a > b), a === b),
    (a, b) => half(!(b > a), a === b),
  ),
  where,
  to: unary(
    (x) => x,
    () => 1,
  ),
  neg: unary(
    (x) => -x,
    () => -1,
  ),
  abs: unary(Math.abs, (x) => Math.sign(x)),
  sign: unary(Math.sign, () => 0),
  floor: unary(Math.floor, () => 0),
  ceil: unary(Math.ceil, () => 0),
  round: unary(roundHalfEven, () => 0),
  square: unary(
    (x) => x * x,
    (x) => 2 * x,
  ),
  reciprocal: unary(
    (x) => 1 / x,
    (_, y) => -y * y,
  ),
  sqrt: unary(Math.sqrt, (_, y) => 1 / (2 * y)),
  rsqrt: unary(
    (x) => 1 / Math.sqrt(x),
    (_, y) => -0.5 * y * y * y,
  ),
  exp: unary(Math.exp, (_, y) => y),
  expm1: unary(Math.expm1, (_, y) => y + 1),
  log: unary(Math.log, (x) => 1 / x),
  log1p: unary(Math.log1p, (x) => 1 / (1 + x)),
  log2: unary(Math.log2, (x) => 1 / (x * Math.LN2)),
  sin: unary(Math.sin, Math.cos),
  cos: unary(Math.cos, (x) => -Math.sin(x)),
  tan: unary(Math.tan, (_, y) => 1 + y * y),
  erf: unary(erf, (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x)),
  tanh: unary(Math.tanh, (_, y) => 1 - y * y),
  sigmoid: unary(sigmoid, (_, y) => y * (1 - y)),
  relu: unary(
    (x) => (x <= 0 ? 0 : x),
    (_, y) => (y <= 0 ? 0 : 1),
  ),
  leaky_relu: unary(
    (x, call) => (x > 0 ? x : x * numberAt(call, "negative_slope", 0.01)),
    (x, _, call) => (x > 0 ? 1 : numberAt(call, "negative_slope", 0.01)),
  ),
  elu: unary(
    (x, call) => (x <= 0 ? numberAt(call, "alpha", 1) * Math.expm1(x) : x),
    (x, y, call) => (x <= 0 ? y + numberAt(call, "alpha", 1) : 1),
  ),
  gelu: unary(
    (x) => x * normal(x),
    (x) => normal(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  ),
  silu: unary(
    (x) => x * sigmoid(x),
    (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  ),
  softplus: unary(
    (x) => (x > 20 ? x : Math.log1p(Math.exp(x))),
    (x) => (x > 20 ? 1 : sigmoid(x)),
  ),
  log_of_one_plus_exp: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), sigmoid),
  clamp: unary(
    (x, call) => Math.min(Math.max(x, numberAt(call, "min", -Infinity)), numberAt(call, "max", Infinity)),
    (x, _, call) => (x >= numberAt(call, "min", -Infinity) && x <= numberAt(call, "max", Infinity) ? 1 : 0),
  ),
};
