// Two snapshots, entry by entry: what changed in value and gradient. Read next: src/state.ts.
import { h } from "./dom.ts";
import { format, heat } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";
import { nameOf } from "./words.ts";

interface Row {
  name: string;
  node: number; // in the second snapshot
  value: number | undefined;
  gradient: number | undefined;
}

/** The operations that were recorded in a segment. */
function recordedIn(recording: Recording, segment: number): number[] {
  const { from, to } = recording.segments[segment]!;
  const found: number[] = [];
  for (const { step } of recording.moments.slice(from, to + 1)) if (step.kind === "forward") found.push(step.node);
  return found;
}
function passIn(recording: Recording, segment: number): number {
  const { from, to } = recording.segments[segment]!;
  const seed = recording.moments.slice(from, to + 1).find(({ step }) => step.kind === "seed");
  return seed && "pass" in seed.step ? seed.step.pass : -1;
}
function largestDifference(recording: Recording, a: number | null, b: number | null): number | undefined {
  if (a === null || b === null) return undefined;
  const [x, y] = [recording.tensor(a), recording.tensor(b)];
  if (!x.known || !y.known || x.size !== y.size) return undefined;
  return x.data.reduce((most, each, i) => Math.max(most, Math.abs(each - y.data[i]!)), 0);
}

/** Leaves are the same nodes; operations are matched in their order, by name, shape and module. */
export function compare(recording: Recording, a: number, b: number): { rows: Row[]; unmatched: number } {
  const rows: Row[] = [];
  const [first, second] = [recording.segments[a]!, recording.segments[b]!];
  const [passA, passB] = [passIn(recording, a), passIn(recording, b)];
  const gradient = (node: number, pass: number, at: number) =>
    pass < 0 ? null : recording.gradient(node, pass, at).sum;
  recording.tape.nodes.forEach((node, id) => {
    if (node.kind !== "parameter") return;
    const value = largestDifference(recording, recording.value(id, first.to), recording.value(id, second.to));
    rows.push({
      name: nameOf(recording, id),
      node: id,
      value,
      gradient: largestDifference(recording, gradient(id, passA, first.to), gradient(id, passB, second.to)),
    });
  });
  const signature = (id: number) => `${recording.name(id)}${recording.node(id).shape}`;
  const [left, right] = [recordedIn(recording, a), recordedIn(recording, b)];
  let next = 0;
  let matched = 0;
  for (const id of left) {
    const found = right.findIndex((other, i) => i >= next && signature(other) === signature(id));
    if (found < 0) continue;
    next = found + 1;
    ++matched;
    const other = right[found]!;
    const value = largestDifference(recording, recording.node(id).value, recording.node(other).value);
    rows.push({
      name: recording.name(id),
      node: other,
      value,
      gradient: largestDifference(recording, gradient(id, passA, first.to), gradient(other, passB, second.to)),
    });
  }
  return { rows, unmatched: left.length + right.length - 2 * matched };
}

export function drawCompare(recording: Recording, choose: (node: number, at: number) => void): HTMLElement[] {
  const { segments } = recording;
  if (segments.length < 2) return [h("p", { class: "words" }, t("compareNone"))];
  const title = (i: number) => segments[i]!.title || t("current");
  const picker = (id: string, label: string, chosen: number) => {
    const select = h(
      "select",
      { id },
      ...segments.map((_, i) => h("option", { value: i, selected: i === chosen }, title(i))),
    );
    return { select, field: h("p", { class: "field" }, h("label", { for: id }, label), select) };
  };
  const [a, b] = [picker("compare-a", t("compareA"), 0), picker("compare-b", t("compareB"), segments.length - 1)];
  const place = h("div", {});
  const refresh = () =>
    place.replaceChildren(...table(recording, Number(a.select.value), Number(b.select.value), choose));
  a.select.addEventListener("change", refresh);
  b.select.addEventListener("change", refresh);
  refresh();
  return [
    h(
      "div",
      { class: "main wide" },
      h("h2", {}, t("panelCompare")),
      h("p", { class: "words" }, t("compareIntro")),
      h("div", { class: "fields" }, a.field, b.field),
      place,
    ),
  ];
}
function table(recording: Recording, a: number, b: number, choose: (node: number, at: number) => void): HTMLElement[] {
  const { rows, unmatched } = compare(recording, a, b);
  const most = (key: "value" | "gradient") => Math.max(...rows.map((row) => row[key] ?? 0), 1e-30);
  const [values, gradients] = [most("value"), most("gradient")];
  const cell = (x: number | undefined, largest: number) =>
    h(
      "td",
      { style: x ? `background:${heat(x, largest, 0.35)}` : "" },
      x === undefined ? "–" : x === 0 ? t("unchanged") : format(x),
    );
  const body = rows.slice(0, 200).map((row) => {
    const link = h(
      "button",
      { type: "button", class: "link", onclick: () => choose(row.node, recording.segments[b]!.to) },
      row.name,
    );
    return h("tr", {}, h("th", { scope: "row" }, link), cell(row.value, values), cell(row.gradient, gradients));
  });
  const head = [t("compareName"), t("compareValue"), t("compareGradient")].map((text) =>
    h("th", { scope: "col" }, text),
  );
  const result: HTMLElement[] = [
    h("table", { class: "compare" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body)),
  ];
  if (unmatched > 0) result.push(h("p", { class: "soft" }, t("compareUnmatched", { n: unmatched })));
  return result;
}
