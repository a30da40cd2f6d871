// Tensor: elements in row-major order, for the interpreter; broadcasting, reductions and matrix
// products. float32 tensors hold numbers that float32 can hold: result() rounds. Read next:
// src/ops/operation.ts.
import { numberOf, numel, shapeText, type TensorJson } from "./format.ts";

export class Unknown extends Error {}

export class Tensor {
  constructor(
    readonly shape: readonly number[],
    private readonly elements: Float64Array | null,
    readonly dtype: string = "float64",
  ) {}

  /** Throws Unknown if the page got only a summary of the elements. */
  get data(): Float64Array {
    if (this.elements === null) throw new Unknown();
    return this.elements;
  }
  get known(): boolean {
    return this.elements !== null;
  }
  get size(): number {
    return numel(this.shape);
  }
  get dim(): number {
    return this.shape.length;
  }
  item(): number {
    return this.data[0]!;
  }
}

/** A table's gradient: rows[i] belongs to row ids[i]; an id may occur twice. */
export interface RowSparse {
  ids: number[];
  rows: Tensor;
  shape: readonly number[];
}

export function tensor(shape: readonly number[], data: ArrayLike<number>, dtype = "float64"): Tensor {
  return new Tensor(shape, Float64Array.from(data), dtype);
}
export function full(shape: readonly number[], value: number, dtype = "float64"): Tensor {
  return new Tensor(shape, new Float64Array(numel(shape)).fill(value), dtype);
}
export function zeros(shape: readonly number[], dtype = "float64"): Tensor {
  return full(shape, 0, dtype);
}
export function scalar(value: number, dtype = "float64"): Tensor {
  return full([], value, dtype);
}
export function fromJson(json: TensorJson): Tensor {
  // The JSON has the shortest decimal form of a float32, which is not exactly the float32.
  if (json.data) return as(tensor(json.shape, json.data.map(numberOf), json.dtype), json.dtype);
  if (json.rows) return dense(rowsOf(json));
  return new Tensor(json.shape, null, json.dtype);
}
export function rowsOf(json: TensorJson): RowSparse {
  const { ids, data } = json.rows!;
  const rows = tensor([ids.length, ...json.shape.slice(1)], data.map(numberOf), json.dtype);
  return { ids, rows: as(rows, json.dtype), shape: json.shape };
}
/** The dense form of a table's gradient. */
export function dense(sparse: RowSparse): Tensor {
  const out = new Float64Array(numel(sparse.shape));
  const width = numel(sparse.shape.slice(1));
  sparse.ids.forEach((id, i) => {
    for (let j = 0; j < width; ++j) out[id * width + j]! += sparse.rows.data[i * width + j]!;
  });
  return new Tensor(sparse.shape, out, sparse.rows.dtype);
}

/** The same elements as `dtype` holds them. */
export function as(x: Tensor, dtype: string): Tensor {
  if (!x.known) return new Tensor(x.shape, null, dtype);
  if (dtype !== "float32") return new Tensor(x.shape, x.data, dtype);
  return new Tensor(x.shape, Float64Array.from(new Float32Array(x.data)), dtype);
}

// Shapes ------------------------------------------------------------------------------------------

export function wrap(dim: number, dims: number): number {
  return dim < 0 ? dim + dims : dim;
}
export function strides(shape: readonly number[]): number[] {
  const result = new Array<number>(shape.length);
  let product = 1;
  for (let d = shape.length - 1; d >= 0; --d) {
    result[d] = product;
    product *= shape[d]!;
  }
  return result;
}
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const dims = Math.max(a.length, b.length);
  const at = (shape: readonly number[], d: number) => shape[d - (dims - shape.length)] ?? 1;
  return Array.from({ length: dims }, (_, d) => {
    const [m, n] = [at(a, d), at(b, d)];
    if (m !== n && m !== 1 && n !== 1) throw new Error(`${shapeText(a)} and ${shapeText(b)} do not broadcast`);
    return m === 1 ? n : m;
  });
}
/** For each position of `shape`, the position in x's elements, which are repeated where x's size is 1. */
export function positions(x: readonly number[], shape: readonly number[]): Int32Array {
  const own = strides(x);
  const skip = shape.length - x.length;
  const step = shape.map((_, d) => (d < skip || x[d - skip] === 1 ? 0 : own[d - skip]!));
  return walk(shape, step, 0);
}
/** offset + the sum of step[d] * index[d], for each index of `shape` in row-major order. */
export function walk(shape: readonly number[], step: readonly number[], offset: number): Int32Array {
  let all = new Int32Array([offset]);
  for (let d = 0; d < shape.length; ++d) {
    const size = shape[d]!;
    const next = new Int32Array(all.length * size);
    for (let i = 0, k = 0; i < all.length; ++i) {
      for (let j = 0; j < size; ++j) next[k++] = all[i]! + j * step[d]!;
    }
    all = next;
  }
  return all;
}
export function pick(x: Tensor, at: ArrayLike<number>, shape: readonly number[]): Tensor {
  const from = x.data;
  const out = new Float64Array(at.length);
  for (let i = 0; i < out.length; ++i) out[i] = from[at[i]!]!;
  return new Tensor(shape, out, x.dtype);
}
/** Zeros of `shape`, with x's elements added at the positions. */
export function addAt(shape: readonly number[], at: ArrayLike<number>, x: Tensor): Tensor {
  const out = new Float64Array(numel(shape));
  for (let i = 0; i < at.length; ++i) out[at[i]!]! += x.data[i]!;
  return new Tensor(shape, out, x.dtype);
}
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  return pick(x, positions(x.shape, shape), shape);
}
/** The inverse of broadcasting: the sum over the repeated elements. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  if (x.shape.length === shape.length && x.shape.every((size, d) => size === shape[d])) return x;
  return addAt(shape, positions(shape, x.shape), x);
}
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  return new Tensor(shape, x.data, x.dtype);
}
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  const own = strides(x.shape);
  const order = dims.map((d) => wrap(d, x.dim));
  const shape = order.map((d) => x.shape[d]!);
  return pick(
    x,
    walk(
      shape,
      order.map((d) => own[d]!),
      0,
    ),
    shape,
  );
}
export function transpose(x: Tensor, dim0 = -2, dim1 = -1): Tensor {
  if (x.dim < 2) return x;
  const dims = x.shape.map((_, d) => d);
  const [a, b] = [wrap(dim0, x.dim), wrap(dim1, x.dim)];
  [dims[a], dims[b]] = [dims[b]!, dims[a]!];
  return permute(x, dims);
}

// Arithmetic --------------------------------------------------------------------------------------

export function map(x: Tensor, f: (x: number) => number): Tensor {
  return new Tensor(x.shape, x.data.map(f), x.dtype);
}
export function zip(a: Tensor, b: Tensor, f: (a: number, b: number) => number): Tensor {
  const shape = broadcastShape(a.shape, b.shape);
  const [i, j] = [positions(a.shape, shape), positions(b.shape, shape)];
  const out = new Float64Array(i.length);
  for (let k = 0; k < out.length; ++k) out[k] = f(a.data[i[k]!]!, b.data[j[k]!]!);
  return new Tensor(shape, out, a.dtype);
}
export const add = (a: Tensor, b: Tensor) => zip(a, b, (x, y) => x + y);
export const sub = (a: Tensor, b: Tensor) => zip(a, b, (x, y) => x - y);
export const mul = (a: Tensor, b: Tensor) => zip(a, b, (x, y) => x * y);
export const div = (a: Tensor, b: Tensor) => zip(a, b, (x, y) => x / y);
export const scale = (x: Tensor, factor: number) => map(x, (element) => element * factor);

/** Which dimensions a reduction runs over; an absent or empty list means all. */
export function reducedDims(dim: unknown, dims: number): number[] {
  const list = dim === undefined || dim === null ? [] : Array.isArray(dim) ? (dim as number[]) : [dim as number];
  return list.length === 0 ? Array.from({ length: dims }, (_, d) => d) : list.map((d) => wrap(d, dims));
}
export function keptShape(shape: readonly number[], dims: readonly number[]): number[] {
  return shape.map((size, d) => (dims.includes(d) ? 1 : size));
}
/** The sum over dims, which keep size 1. */
export function sumOver(x: Tensor, dims: readonly number[]): Tensor {
  return sumTo(x, keptShape(x.shape, dims));
}
/** The largest element over dims, which keep size 1. */
export function maxOver(x: Tensor, dims: readonly number[]): Tensor {
  const shape = keptShape(x.shape, dims);
  const out = new Float64Array(numel(shape)).fill(-Infinity);
  positions(shape, x.shape).forEach((to, i) => {
    const value = x.data[i]!;
    if (!(value <= out[to]!)) out[to] = value;
  });
  return new Tensor(shape, out, x.dtype);
}

/** (..., m, k) x (..., k, n), with broadcast batches. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [inner, n] = b.shape.slice(-2) as [number, number];
  if (k !== inner) throw new Error(`inner sizes differ: ${shapeText(a.shape)} x ${shapeText(b.shape)}`);
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [i, j] = [positions(a.shape.slice(0, -2), batch), positions(b.shape.slice(0, -2), batch)];
  const out = new Float64Array(numel(batch) * m * n);
  for (let p = 0; p < i.length; ++p) {
    for (let r = 0; r < m; ++r) {
      for (let q = 0; q < k; ++q) {
        const factor = a.data[(i[p]! * m + r) * k + q]!;
        const [to, from] = [(p * m + r) * n, (j[p]! * k + q) * n];
        for (let c = 0; c < n; ++c) out[to + c]! += factor * b.data[from + c]!;
      }
    }
  }
  return new Tensor([...batch, m, n], out, a.dtype);
}
