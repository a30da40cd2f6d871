// Operation: how the page computes an operation and its rules again. The rules here were written
// independently of the library's, so the two check each other (test/). Each file of this folder
// holds one family. Read next: src/ops/elementwise.ts.
import type { Attributes } from "../format.ts";
import { Tensor, type RowSparse } from "../tensor.ts";

/** One call: the values of the inputs (undefined if not given) and the other arguments. */
export interface Call {
  inputs: (Tensor | undefined)[];
  attributes: Attributes;
  shape: readonly number[]; // of the result
  dtype: string;
  /** The tensor that an attribute refers to. */
  tensor(name: string): Tensor | undefined;
}

export interface Operation {
  forward(call: Call): Tensor;
  /** The gradient of input i, before broadcasting is undone. */
  rule(call: Call, y: Tensor, dy: Tensor, i: number): Tensor | RowSparse;
}

export type Operations = Record<string, Operation>;

export function numberAt(call: Call, name: string, otherwise: number): number {
  const value = call.attributes[name];
  if (value === undefined || value === null) return otherwise;
  return value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value);
}
export function flagAt(call: Call, name: string, otherwise: boolean): boolean {
  const value = call.attributes[name];
  return value === undefined || value === null ? otherwise : Boolean(value);
}
export function listAt(call: Call, name: string): number[] {
  const value = call.attributes[name];
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [Number(value)];
}
export function need(call: Call, name: string): Tensor {
  const value = call.tensor(name);
  if (value === undefined) throw new Error(`attribute "${name}" is missing`);
  return value;
}
export function input(call: Call, i: number): Tensor {
  const value = call.inputs[i];
  if (value === undefined) throw new Error(`input ${i} is missing`);
  return value;
}
