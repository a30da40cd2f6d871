// Numbers as text, and colors of heat maps. Read next: src/dom.ts.
import { numberOf, type TensorJson } from "./format.ts";

/** Four significant digits; a real minus sign. */
export function format(x: number): string {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e6 || size < 1e-4 ? x.toExponential(2).replace("e+", "e") : String(Number(x.toPrecision(4)));
  return text.replaceAll("-", "−");
}
export function formatBytes(bytes: number): string {
  const unit = bytes >= 1e6 ? "MB" : bytes >= 1e3 ? "kB" : "B";
  const size = bytes / (unit === "MB" ? 1e6 : unit === "kB" ? 1e3 : 1);
  return `${size >= 100 || unit === "B" ? Math.round(size) : size.toFixed(1)} ${unit}`;
}
/** The number that a learner typed: 0.5, −2, 1e-3, 3/4; NaN if it is none. */
export function parseNumber(text: string): number {
  const clean = text.trim().replaceAll("−", "-").replace(",", ".");
  const parts = clean.split("/");
  if (parts.length === 2) return parseNumber(parts[0]!) / parseNumber(parts[1]!);
  return clean === "" ? NaN : Number(clean);
}
/** The shape that a learner typed: (3, 4), 3x4, 3 4, or () for a scalar; undefined if it is none. */
export function parseShape(text: string): number[] | undefined {
  const sizes = text
    .replace(/[()[\]]/g, " ")
    .split(/[\s,x×]+/)
    .filter((part) => part !== "");
  return sizes.every((part) => /^\d+$/.test(part)) && (sizes.length > 0 || /[([]/.test(text))
    ? sizes.map(Number)
    : undefined;
}

/** The largest finite size of the elements, for a heat map's ends; 1 if all are 0. */
export function largest(data: readonly (number | string)[]): number {
  let most = 0;
  for (const each of data) {
    const x = Math.abs(numberOf(each));
    if (Number.isFinite(x) && x > most) most = x;
  }
  return most || 1;
}
/** A color between blue (negative) and orange (positive); `strength` below 1 keeps text on it readable. */
export function heat(x: number, most: number, strength = 1): string {
  if (!Number.isFinite(x)) return "var(--bad)";
  const share = Math.min(Math.abs(x) / most, 1);
  return `color-mix(in oklab, var(--${x < 0 ? "cold" : "warm"}) ${Math.round(share * strength * 100)}%, var(--zero))`;
}
/** Rows and columns of a tensor that is drawn as a matrix: the last dimension is a row. */
export function matrixShape(json: TensorJson): [number, number] {
  const columns = json.shape.at(-1) ?? 1;
  const count = json.shape.reduce((a, b) => a * b, 1);
  return [columns === 0 ? 0 : count / columns, columns];
}
/** [1, 2] for element 5 of shape (2, 3). */
export function indexOf(at: number, shape: readonly number[]): string {
  const index: number[] = [];
  for (let d = shape.length - 1; d >= 0; --d) {
    index.unshift(at % shape[d]!);
    at = Math.floor(at / shape[d]!);
  }
  return index.length ? `[${index.join(", ")}]` : "";
}
