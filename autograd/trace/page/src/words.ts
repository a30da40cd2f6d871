// A step in words: the heading and the explanation of the step panel, which a screen reader hears.
// Read next: src/numbers.ts.
import { shapeText } from "./format.ts";
import { inputName, ruleOf } from "./formulas.ts";
import { format, formatBytes } from "./numbers.ts";
import { numberOf } from "./format.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";

/** A gradient that the learner must predict first. */
export interface Hidden {
  node: number;
  pass: number;
}
export type Phase = "forward" | "backward" | "update" | "error" | "snapshot";

export function phaseOf(recording: Recording, at: number): Phase {
  const kind = recording.moments[at]?.step.kind;
  if (kind === "forward" || kind === "update" || kind === "error" || kind === "snapshot") return kind;
  return kind === undefined ? "forward" : "backward";
}

/** hidden.weight, or "tanh #5" where the name alone is not unique. */
export function nameOf(recording: Recording, id: number): string {
  const node = recording.node(id);
  return node.kind === "operation" ? `${node.op} #${id}` : node.name || `${node.kind} #${id}`;
}
export function ruleText(recording: Recording, from: number, input: number): string | undefined {
  const node = recording.node(from);
  return ruleOf(node.op!, input, scalarOnTheLeft(recording, from));
}
export function scalarOnTheLeft(recording: Recording, id: number): boolean {
  return recording.node(id).attributes?.input !== undefined;
}
export function argumentName(recording: Recording, id: number, input: number): string {
  return inputName(recording.node(id).op!, input, scalarOnTheLeft(recording, id));
}

export function heading(recording: Recording, at: number): string {
  const { step, part } = recording.moments[at]!;
  const name = (id: number) => nameOf(recording, id);
  switch (step.kind) {
    case "forward":
      return t("stepForward", { name: name(step.node) });
    case "seed":
      return recording.passes > 1
        ? t("stepSeedN", { n: step.pass + 1, name: name(step.node) })
        : t("stepSeed", { name: name(step.node) });
    case "fire":
      return t("stepFire", { name: name(step.node) });
    case "contribution":
      return part === "undo"
        ? t("stepUndo", { to: name(step.to) })
        : t("stepRule", { from: name(step.from), to: name(step.to) });
    case "release":
      return t("stepRelease", { name: name(step.node) });
    case "leaf":
      return t("stepLeaf", { name: name(step.node) });
    case "update":
      return t("stepUpdate", { optimizer: step.optimizer, name: name(step.node) });
    case "error":
      return t("stepError", { op: step.op });
    case "snapshot":
      return t("stepSnapshot", { title: step.title });
  }
}

/** What the step means, in one or two sentences. */
export function explanation(recording: Recording, at: number, hidden: Hidden | null): string {
  const { step, part } = recording.moments[at]!;
  switch (step.kind) {
    case "forward":
      return sayValue(recording, step.node);
    case "seed":
      return isOne(recording, step.gradient) ? t("saySeed") : t("saySeedOther");
    case "fire":
      return sayFire(recording, step.node, step.pass);
    case "contribution": {
      const sum = step.before === null ? t("sayFirst") : t("sayAdded");
      if (part === "undo") return `${sayUndo(recording, step.to, step.raw)} ${sum}`;
      const rule = ruleText(recording, step.from, step.input);
      const said = rule ? t("sayRule", { rule }) : t("noFormula");
      const [large, small] = [shapeText(recording.json(step.raw).shape), shapeText(recording.node(step.to).shape)];
      const wide = large === small ? "" : ` ${t("sayWide", { large, small, to: nameOf(recording, step.to) })}`;
      if (part === "rule") return said + wide;
      const tail = hidden?.node === step.to && hidden.pass === step.pass ? t("hiddenWords") : sum;
      return `${said} ${tail}`.trim();
    }
    case "release":
      return step.bytes === undefined ? t("sayReleasePlain") : t("sayRelease", { bytes: formatBytes(step.bytes) });
    case "leaf":
      return step.before === null ? t("sayLeafFirst") : t("sayLeafAdded");
    case "update":
      return t("sayUpdate", { lr: format(step.lr) });
    case "error":
      return step.text;
    case "snapshot":
      return "";
  }
}
function sayValue(recording: Recording, id: number): string {
  const json = recording.json(recording.node(id).value);
  if (json.data?.length !== 1) return "";
  return t("sayForward", { value: format(numberOf(json.data[0]!)) });
}
function sayFire(recording: Recording, id: number, pass: number): string {
  const n = recording.contributionsTo(id, pass).length;
  return n === 0 ? t("sayFireSeed") : t("sayFire", { n });
}
function isOne(recording: Recording, tensor: number): boolean {
  const { data } = recording.json(tensor);
  return data !== undefined && data.every((each) => each === 1);
}
export function repeatedDims(small: readonly number[], large: readonly number[]): number[] {
  const skip = large.length - small.length;
  return large.map((_, d) => d).filter((d) => d < skip || (small[d - skip] === 1 && large[d] !== 1));
}
function sayUndo(recording: Recording, to: number, raw: number): string {
  const [small, large] = [recording.node(to).shape, recording.json(raw).shape];
  const dims = repeatedDims(small, large);
  if (dims.length === 0) return t("sayConverted", { to: nameOf(recording, to), dtype: recording.node(to).dtype });
  const said = t(dims.length === 1 ? "sayUndoDim" : "sayUndoDims", { dims: dims.join(", ") });
  return t("sayUndo", { to: nameOf(recording, to), small: shapeText(small), large: shapeText(large), dims: said });
}
/** The attributes of an operation that are tensors, by name. */
export function constantsOf(recording: Recording, id: number): [string, number][] {
  return Object.entries(recording.node(id).attributes ?? {}).flatMap(([name, value]): [string, number][] =>
    value !== null && typeof value === "object" && "tensor" in value ? [[name, value.tensor]] : [],
  );
}
/** "NaN" or "infinity", whichever a tensor holds. */
export function kindOfBad(recording: Recording, tensor: number): string {
  const json = recording.json(tensor);
  const data = json.data ?? json.rows?.data ?? [json.summary?.norm ?? "nan"];
  return data.some((each) => Number.isNaN(numberOf(each))) ? "NaN" : "∞";
}
