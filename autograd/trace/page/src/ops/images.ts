// Convolution and pooling, window by window. A sequence is an image of one row. Read next:
// src/ops/compositions.ts.
import { Tensor, zeros } from "../tensor.ts";
import { input, listAt, need, numberAt, type Call, type Operation, type Operations } from "./operation.ts";

type Pair = [number, number];

/** A size of one or two numbers as [height, width]; for a sequence, with `row` for the height. */
function pairAt(call: Call, name: string, row: number): Pair {
  const list = listAt(call, name);
  return list.length === 1 ? [row, list[0]!] : [list[0]!, list[1]!];
}

interface Place {
  at: number; // the element of the result
  from: number; // the element of x that the window sees
}

/** Calls f for each place of each window that is inside the image. */
function eachPlace(
  size: Pair,
  result: Pair,
  kernel: Pair,
  stride: Pair,
  padding: Pair,
  dilation: Pair,
  f: (at: number, place: number, from: number) => void,
): void {
  for (let at = 0; at < result[0] * result[1]; ++at) {
    const [t, u] = [Math.floor(at / result[1]), at % result[1]];
    for (let place = 0; place < kernel[0] * kernel[1]; ++place) {
      const row = t * stride[0] + Math.floor(place / kernel[1]) * dilation[0] - padding[0];
      const column = u * stride[1] + (place % kernel[1]) * dilation[1] - padding[1];
      if (row < 0 || row >= size[0] || column < 0 || column >= size[1]) continue;
      f(at, place, row * size[1] + column);
    }
  }
}
const lastTwo = (shape: readonly number[]): Pair => [shape.at(-2)!, shape.at(-1)!];

/** Calls f(element of y, of x, of the weight) for each product in a convolution. */
function eachProduct(call: Call, f: (y: number, x: number, w: number) => void): void {
  const [x, w] = [input(call, 0), input(call, 1)];
  const [batch, channels] = x.shape as [number, number];
  const [out, depth] = w.shape as [number, number];
  const [size, result, kernel] = [lastTwo(x.shape), lastTwo(call.shape), lastTwo(w.shape)];
  const [pixels, results, places] = [size, result, kernel].map(([a, b]) => a * b) as [number, number, number];
  const groups = numberAt(call, "groups", 1);
  const [stride, padding] = [pairAt(call, "stride", 1), pairAt(call, "padding", 0)];
  eachPlace(size, result, kernel, stride, padding, pairAt(call, "dilation", 1), (at, place, from) => {
    for (let n = 0; n < batch; ++n)
      for (let o = 0; o < out; ++o)
        for (let c = 0; c < depth; ++c) {
          const channel = Math.floor(o / (out / groups)) * depth + c;
          f((n * out + o) * results + at, (n * channels + channel) * pixels + from, (o * depth + c) * places + place);
        }
  });
}

const conv2d: Operation = {
  forward: (call) => {
    const [x, w, bias] = [input(call, 0), input(call, 1), call.inputs[2]];
    const y = zeros(call.shape, call.dtype);
    const [out, results] = [call.shape[1]!, call.shape[2]! * call.shape[3]!];
    if (bias) y.data.forEach((_, i) => (y.data[i] = bias.data[Math.floor(i / results) % out]!));
    eachProduct(call, (to, from, place) => (y.data[to]! += x.data[from]! * w.data[place]!));
    return y;
  },
  rule: (call, _y, dy, i) => {
    const [x, w] = [input(call, 0), input(call, 1)];
    const gradient = zeros(input(call, i).shape, dy.dtype);
    const [out, results] = [call.shape[1]!, call.shape[2]! * call.shape[3]!];
    if (i === 2) dy.data.forEach((d, at) => (gradient.data[Math.floor(at / results) % out]! += d));
    if (i === 0) eachProduct(call, (to, from, place) => (gradient.data[from]! += dy.data[to]! * w.data[place]!));
    if (i === 1) eachProduct(call, (to, from, place) => (gradient.data[place]! += dy.data[to]! * x.data[from]!));
    return gradient;
  },
};

/** The places of all windows of a pooling, in the order of the windows. */
function windowsOf(call: Call): Place[] {
  const x = input(call, 0);
  const isSequence = listAt(call, "kernel_size").length === 1;
  const size: Pair = isSequence ? [1, x.shape.at(-1)!] : lastTwo(x.shape);
  const result: Pair = isSequence ? [1, call.shape.at(-1)!] : lastTwo(call.shape);
  const images = result[0] * result[1] === 0 ? 0 : call.shape.reduce((a, b) => a * b, 1) / (result[0] * result[1]);
  const [stride, padding] = [pairAt(call, "stride", 1), pairAt(call, "padding", 0)];
  const list: Place[] = [];
  for (let image = 0; image < images; ++image)
    eachPlace(
      size,
      result,
      pairAt(call, "kernel_size", 1),
      stride,
      padding,
      pairAt(call, "dilation", 1),
      (at, _place, from) =>
        list.push({ at: image * result[0] * result[1] + at, from: image * size[0] * size[1] + from }),
    );
  return list;
}

/** For each window, the element of x that is the largest: the first of equal ones, a NaN before all. */
function largest(call: Call, x: Tensor): Int32Array {
  const where = new Int32Array(call.shape.reduce((a, b) => a * b, 1)).fill(-1);
  for (const { at, from } of windowsOf(call)) {
    const value = x.data[from]!;
    if (where[at]! < 0 || value > x.data[where[at]!]! || Number.isNaN(value)) where[at] = from;
  }
  return where;
}

const maxPool: Operation = {
  forward: (call) => {
    const x = input(call, 0);
    const y = Float64Array.from(largest(call, x), (from) => (from < 0 ? -Infinity : x.data[from]!));
    return new Tensor(call.shape, y, call.dtype);
  },
  rule: (call, _y, dy) => {
    const dx = zeros(input(call, 0).shape, dy.dtype);
    largest(call, input(call, 0)).forEach((from, at) => from >= 0 && (dx.data[from]! += dy.data[at]!));
    return dx;
  },
};

const avgPool: Operation = {
  forward: (call) => {
    const [x, divisors] = [input(call, 0), need(call, "divisors").data];
    const y = zeros(call.shape, call.dtype);
    for (const { at, from } of windowsOf(call)) y.data[at]! += x.data[from]! / divisors[at % divisors.length]!;
    return y;
  },
  rule: (call, _y, dy) => {
    const divisors = need(call, "divisors").data;
    const dx = zeros(input(call, 0).shape, dy.dtype);
    for (const { at, from } of windowsOf(call)) dx.data[from]! += dy.data[at]! / divisors[at % divisors.length]!;
    return dx;
  },
};

export const images: Operations = {
  conv2d,
  max_pool1d: maxPool,
  max_pool2d: maxPool,
  avg_pool1d: avgPool,
  avg_pool2d: avgPool,
};
