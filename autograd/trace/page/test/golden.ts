// Reads PyTorch's values from tests/golden/. Read next: test/golden.test.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Attribute, Attributes } from "../src/format.ts";
import { tensor, Tensor } from "../src/tensor.ts";

interface File {
  cases: Record<string, string>;
  has(name: string): boolean;
  get(name: string): Tensor;
}

export function read(file: string): File {
  const bytes = readFileSync(new URL(`../../../../../tests/golden/${file}.safetensors`, import.meta.url));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const elements = (dtype: string, from: number, to: number): ArrayLike<number> => {
    const part = bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + to);
    if (dtype === "F64") return new Float64Array(part);
    if (dtype === "F32") return new Float32Array(part);
    if (dtype === "I64") return Array.from(new BigInt64Array(part), Number);
    return new Uint8Array(part);
  };
  return {
    cases: header.__metadata__,
    has: (name) => name in header,
    get: (name) => {
      const {
        dtype,
        shape,
        data_offsets: [from, to],
      } = header[name];
      return tensor(
        shape,
        elements(dtype, 8 + length + from, 8 + length + to),
        dtype === "F32" ? "float32" : "float64",
      );
    },
  };
}

/** "sum(in0, dim=[0], keepdim=False)" -> the name, and the arguments by name. */
export function parseCase(text: string): { op: string; attributes: Attributes } {
  const op = text.slice(0, text.indexOf("("));
  const attributes: Attributes = {};
  for (const [, name, value] of text.matchAll(/(\w+)=(\[[^\]]*\]|[^,)]+)/g)) attributes[name!] = literal(value!);
  return { op, attributes };
}
function literal(text: string): Attribute {
  if (text === "True" || text === "False") return text === "True";
  if (text.startsWith("["))
    return text
      .slice(1, -1)
      .split(",")
      .filter((s) => s.trim())
      .map(Number);
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** Largest difference, as a share of the largest finite element. */
export function difference(a: Tensor, b: Tensor): number {
  assert.deepEqual([...a.shape], [...b.shape]);
  let [largest, most] = [0, 1e-300];
  a.data.forEach((x, i) => {
    const y = b.data[i]!;
    if (Object.is(x, y) || x === y || (x !== x && y !== y)) return;
    largest = Math.max(largest, Math.abs(x - y) || Infinity);
  });
  b.data.forEach((y) => Number.isFinite(y) && (most = Math.max(most, Math.abs(y))));
  return largest / most;
}
