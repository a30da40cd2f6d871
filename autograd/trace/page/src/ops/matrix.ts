// Matrix products. Read next: src/ops/indexing.ts.
import { add, matmul, mul, reshape, scale, sumTo, Tensor, transpose } from "../tensor.ts";
import { input, numberAt, type Call, type Operation, type Operations } from "./operation.ts";

/** A vector is a row on the left and a column on the right. */
const asRow = (a: Tensor) => (a.dim === 1 ? reshape(a, [1, a.size]) : a);
const asColumn = (b: Tensor) => (b.dim === 1 ? reshape(b, [b.size, 1]) : b);
const flat = (x: Tensor) => {
  const rows = x.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  return reshape(x, [rows, x.shape[x.dim - 1]!]);
};

/** The gradient of b is summed over a's batches if b is one matrix, as the library's rule does. */
const product: Operation = {
  forward: (call) => reshape(matmul(asRow(input(call, 0)), asColumn(input(call, 1))), call.shape),
  rule: (call, _y, dy, i) => {
    const [a, b] = [asRow(input(call, 0)), asColumn(input(call, 1))];
    const d = reshape(dy, [
      ...call.shape.slice(0, call.shape.length - (input(call, 0).dim > 1 ? 1 : 0) - (input(call, 1).dim > 1 ? 1 : 0)),
      a.shape.at(-2)!,
      b.shape.at(-1)!,
    ]);
    const gradient = i === 0 ? matmul(d, transpose(b)) : matmul(transpose(a), d);
    const own = input(call, i);
    if (own.dim === 1) return reshape(sumTo(gradient, (i === 0 ? a : b).shape), own.shape);
    return i === 1 && b.dim === 2 ? sumTo(gradient, b.shape) : gradient;
  },
};

const linear: Operation = {
  forward: (call) => {
    const [x, weight, bias] = [input(call, 0), input(call, 1), call.inputs[2]];
    const y = reshape(matmul(flat(x), transpose(weight)), call.shape);
    return bias ? add(y, bias) : y;
  },
  rule: (call, _y, dy, i) => {
    const [x, weight] = [input(call, 0), input(call, 1)];
    if (i === 0) return reshape(matmul(flat(dy), weight), x.shape);
    return i === 1 ? matmul(transpose(flat(dy)), flat(x)) : dy;
  },
};

function addmmPart(call: Call, dy: Tensor, i: number): Tensor {
  if (i === 0) return scale(dy, numberAt(call, "beta", 1));
  const [a, b] = [input(call, 1), input(call, 2)];
  return scale(i === 1 ? matmul(dy, transpose(b)) : matmul(transpose(a), dy), numberAt(call, "alpha", 1));
}

export const matrix: Operations = {
  matmul: product,
  mm: product,
  bmm: product,
  mv: product,
  dot: product,
  outer: {
    forward: (call) => mul(asColumn(input(call, 0)), asRow(input(call, 1))),
    rule: (call, _y, dy, i) => {
      const other = i === 0 ? asRow(input(call, 1)) : asColumn(input(call, 0));
      const own = input(call, i);
      return reshape(sumTo(mul(dy, other), i === 0 ? [own.size, 1] : [1, own.size]), own.shape);
    },
  },
  addmm: {
    forward: (call) =>
      add(
        scale(input(call, 0), numberAt(call, "beta", 1)),
        scale(matmul(input(call, 1), input(call, 2)), numberAt(call, "alpha", 1)),
      ),
    rule: (call, _y, dy, i) => addmmPart(call, dy, i),
  },
  linear,
};
