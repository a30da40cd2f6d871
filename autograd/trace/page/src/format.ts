// The tape's JSON, version 1, as types. docs/tape.schema.json says the same for other programs.
// Read next: src/tensor.ts.

export type Attribute = number | string | boolean | number[] | { tensor: number } | null;
export type Attributes = Record<string, Attribute>;

/** The elements of a tensor; larger tensors have a summary, tables' gradients have rows. */
export interface TensorJson {
  dtype: string;
  shape: number[];
  data?: (number | string)[];
  summary?: {
    min: number | string;
    max: number | string;
    mean: number | string;
    norm: number | string;
    nonfinite: number;
  };
  thumbnail?: { rows: number; columns: number; data: (number | string)[] };
  rows?: { ids: number[]; data: (number | string)[] };
}

export interface NodeJson {
  kind: "parameter" | "data" | "operation";
  name?: string;
  op?: string;
  inputs?: number[];
  requires_grad: boolean;
  value: number;
  dtype: string;
  shape: number[];
  module?: number;
  source?: { file: string; line: number };
  attributes?: Attributes;
  keeps?: number[];
  check?: { largest_error: number; ok: boolean };
}

export interface ModuleJson {
  parent: number;
  name: string;
  type: string;
  call: number;
}

export type StepJson =
  | { kind: "forward"; node: number; bytes?: number }
  | { kind: "seed"; pass: number; node: number; gradient: number }
  | { kind: "fire"; pass: number; node: number; gradient: number }
  | Contribution
  | { kind: "release"; pass: number; node: number; bytes?: number }
  | { kind: "leaf"; pass: number; node: number; before: number | null; after: number }
  | Update
  | { kind: "error"; op: string; text: string; inputs: number[]; source?: { file: string; line: number } }
  | { kind: "snapshot"; title: string };

export interface Contribution {
  kind: "contribution";
  pass: number;
  from: number;
  input: number;
  to: number;
  raw: number;
  gradient: number;
  before: number | null;
  after: number;
}

export interface Update {
  kind: "update";
  node: number;
  before: number;
  after: number;
  optimizer: string;
  lr: number;
  gradient?: number;
  state?: Record<string, number>;
  state_after?: Record<string, number>;
  options?: Record<string, number | boolean | number[]>;
  parts?: Record<string, number>;
}

export interface TapeJson {
  format: string;
  version: number;
  title: string;
  quiz?: number | string;
  tensors: TensorJson[];
  nodes: NodeJson[];
  modules: ModuleJson[];
  steps: StepJson[];
}

/** The tape in the text of the page. Throws an Error that says what is wrong. */
export function parse(text: string): TapeJson {
  const tape = JSON.parse(text) as TapeJson;
  if (tape.format !== "tapegrad tape")
    throw new Error(`"format" is ${JSON.stringify(tape.format)}, needed "tapegrad tape"`);
  if (tape.version !== 1) throw new Error(`"version" is ${tape.version}, needed 1`);
  for (const list of ["tensors", "nodes", "steps"] as const) {
    if (!Array.isArray(tape[list])) throw new Error(`"${list}" is missing, needed a list`);
  }
  tape.modules ??= [];
  tape.title ??= "";
  return tape;
}

/** An element as JSON writes it: a number, or "nan", "inf", "-inf". */
export function numberOf(element: number | string): number {
  if (typeof element === "number") return element;
  return element === "nan" ? NaN : element === "inf" ? Infinity : element === "-inf" ? -Infinity : Number(element);
}

export function numel(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** (2, 3), as the library prints a shape. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}
