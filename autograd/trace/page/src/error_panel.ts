// The step of an operation that threw. Read next: src/entry_panel.ts.
import { h } from "./dom.ts";
import type { StepJson } from "./format.ts";
import { formulas } from "./formulas.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";
import { tensorView } from "./values.ts";
import { nameOf } from "./words.ts";

type ErrorStep = Extract<StepJson, { kind: "error" }>;

/** What failed, and the shapes of its inputs side by side. */
export function drawError(recording: Recording, step: ErrorStep): HTMLElement[] {
  const known = step.inputs.filter((id) => id >= 0);
  const sides = known.length ? known.map((id) => recording.node(id).shape) : shapesIn(step.text);
  const marks = disagreeing(step.op, sides);
  const shapes = sides.map((shape, i) => {
    const id = known[i];
    const sizes = shape.flatMap((size, d) => [
      d > 0 ? ", " : "",
      h("span", { class: marks[i]!.includes(d) ? "wrong" : "" }, String(size)),
    ]);
    const name = id === undefined ? "" : ` = ${nameOf(recording, id)}`;
    return h(
      "div",
      { class: "shape-side" },
      h("div", { class: "term-label" }, argumentNameOf(step.op, i) + name),
      h("div", { class: "big-shape" }, ...sizes),
      id === undefined
        ? null
        : tensorView(recording.json(recording.value(id, Infinity)), { name: nameOf(recording, id), kind: "value" }),
    );
  });
  return [
    h("p", { class: "error-text", role: "alert" }, step.text),
    h("p", { class: "formula" }, formulas[step.op]?.forward ?? ""),
    ...(shapes.length ? [h("h3", {}, t("errorShapes")), h("div", { class: "shapes" }, ...shapes)] : []),
    ...(marks.some((each) => each.length) ? [h("p", { class: "soft" }, t("wrongSizes"))] : []),
    ...(step.source ? [h("p", { class: "foot" }, h("code", { class: "source" }, t("source", step.source)))] : []),
  ];
}

function argumentNameOf(op: string, i: number): string {
  return formulas[op]?.inputs[i] ?? `x${i}`;
}
/** The shapes that a message names: "(32, 100) x (10, 100)". */
export function shapesIn(text: string): number[][] {
  return [...text.matchAll(/\((\d+(?:, \d+)*),?\)/g)].map(([, sizes]) => sizes!.split(", ").map(Number));
}
/** For each input, the dimensions whose sizes should have agreed. */
export function disagreeing(op: string, shapes: number[][]): number[][] {
  const [a, b] = shapes;
  const none = shapes.map(() => [] as number[]);
  if (!a || !b) return none;
  if (/^(matmul|mm|bmm|mv|dot)$/.test(op)) {
    const [left, right] = [a.length - 1, Math.max(b.length - 2, 0)];
    if (a[left] !== b[right]) ((none[0] = [left]), (none[1] = [right]));
    return none;
  }
  if (op === "linear") {
    if (a.at(-1) !== b.at(-1)) ((none[0] = [a.length - 1]), (none[1] = [b.length - 1]));
    return none;
  }
  for (let back = 1; back <= Math.min(a.length, b.length); ++back) {
    const [m, n] = [a.at(-back)!, b.at(-back)!];
    if (m !== n && m !== 1 && n !== 1) (none[0]!.push(a.length - back), none[1]!.push(b.length - back));
  }
  return none;
}
