// One box of the graph: an entry with its value and its gradient, or a group. Read next:
// src/player.ts.
import { s } from "./dom.ts";
import { numberOf, shapeText, type TensorJson } from "./format.ts";
import type { GraphActions } from "./graph.ts";
import { isGroup, type Group } from "./groups.ts";
import { kLongestName, kLongestTitle, nameWidth, type Box } from "./layout.ts";
import { format, heat, largest } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { t, type TextKey } from "./texts.ts";
import { nameOf, type Hidden } from "./words.ts";

export interface BoxContext {
  recording: Recording;
  at: number;
  pass: number;
  current: number | null; // the node of the step
  chosen: number | null;
  found: ReadonlySet<number>; // by the search
  hidden: Hidden | null;
  changed: ReadonlySet<number>;
  stale: ReadonlySet<number>;
  firstBad: number | undefined; // where NaN began
  activeEdge: [number, number] | null; // [input, entry] of a contribution
  hasFlowed(from: number, to: number): boolean; // whether the entry `to` has sent `from` its gradient
  highlightsInput(from: number, to: number): boolean;
  shares(group: Group): { recorded: number; fired: number };
  groupsOf(node: number): readonly Group[];
  isRolled(loop: Group): boolean; // whether one turn of an open loop is shown
  error?: { op: string; isReached: boolean };
  tabStop?: string; // the box that Tab reaches; arrow keys reach the others
}

type State = "future" | "recorded" | "pending" | "fired" | "released" | "leaf" | "grad";
const kStateText: Record<State, TextKey> = {
  future: "stateFuture",
  recorded: "stateRecorded",
  pending: "statePending",
  fired: "stateFired",
  released: "stateReleased",
  leaf: "stateLeaf",
  grad: "stateGrad",
};

function stateOf(context: BoxContext, id: number): State {
  const { recording, at, pass } = context;
  const { sum, complete, released } = recording.gradient(id, pass, at);
  if (recording.node(id).kind !== "operation") return sum !== null || recording.grad(id, at) !== null ? "grad" : "leaf";
  if (!recording.isRecorded(id, at)) return "future";
  return released ? "released" : complete ? "fired" : sum !== null ? "pending" : "recorded";
}

export function drawBox(box: Box, context: BoxContext, details: boolean, actions: GraphActions): SVGElement {
  if (box.item === -1) return drawError(box, context);
  if (!isGroup(box.item)) return drawEntry(box, box.item, context, details, actions);
  return box.open ? drawOpenGroup(box, box.item, context, actions) : drawClosedGroup(box, box.item, context, actions);
}

function frame(
  box: Box,
  context: BoxContext,
  names: string,
  label: string,
  onclick: (() => void) | undefined,
  ...children: (SVGElement | null)[]
): SVGElement {
  return s(
    "g",
    {
      class: `box ${names}`,
      transform: `translate(${box.x} ${box.y})`,
      tabindex: context.tabStop === box.key ? 0 : -1,
      role: "button",
      "aria-label": label,
      "data-key": box.key,
      onclick,
    },
    ...children,
  );
}
function text(x: number, y: number, names: string, content: string, most = kLongestName): SVGElement {
  const cut = content.length > most ? `${content.slice(0, most - 1)}…` : content;
  return s("text", { x, y, class: names }, cut, content !== cut ? s("title", {}, content) : null);
}

// Entries -----------------------------------------------------------------------------------------

function drawEntry(box: Box, id: number, context: BoxContext, details: boolean, actions: GraphActions): SVGElement {
  const { recording, at } = context;
  const node = recording.node(id);
  const state = stateOf(context, id);
  const layer = recording.layer(context.pass);
  const kind = t(
    node.kind === "operation" ? "kindOperation" : node.kind === "parameter" ? "kindParameter" : "kindData",
  );
  const names = [
    "entry",
    node.kind,
    state,
    context.current === id && "current",
    context.chosen === id && "chosen",
    context.found.has(id) && "found",
    context.changed.has(id) && "changed",
    context.stale.has(id) && "stale",
    context.firstBad === id && "first-bad",
    node.check?.ok === false && "wrong",
    layer > 0 && "second",
  ];
  const label = t("boxLabel", {
    name: nameOf(recording, id),
    kind,
    shape: shapeText(node.shape),
    state: t(kStateText[state]),
  });
  const name = node.kind === "operation" ? node.op! : node.name || node.kind;
  const shape = node.shape.length ? shapeText(node.shape) : "";
  const visible = state !== "future" && details;
  return frame(
    box,
    context,
    names.filter(Boolean).join(" "),
    label,
    () => actions.choose(id),
    s("rect", { class: "body", width: box.width, height: box.height, rx: node.kind === "operation" ? 9 : 3 }),
    layer > 0 && (state === "pending" || state === "fired" || state === "released")
      ? s("rect", { class: "layer", x: -4, y: -4, width: box.width + 8, height: box.height + 8, rx: 12 })
      : null,
    text(10, 20, "name", name),
    shape ? text(box.width - 10, 20, "shape size", shape, 24) : null,
    visible ? row(34, "value", recording.json(recording.value(id, at)), box.width) : null,
    visible ? gradientRow(context, id, box.width) : null,
    badge(context, id, box),
  );
}
function badge(context: BoxContext, id: number, box: Box): SVGElement | null {
  const bad = context.firstBad === id;
  const wrong = context.recording.node(id).check?.ok === false;
  if (!bad && !wrong && !context.stale.has(id)) return null;
  const sign = bad ? "!" : wrong ? "✗" : "?";
  return s(
    "g",
    { class: "badge", transform: `translate(${box.width - 4} 2)` },
    s("circle", { r: 9 }),
    s("text", { y: 4 }, sign),
  );
}
function gradientRow(context: BoxContext, id: number, width: number): SVGElement | null {
  const { recording, at, pass, hidden } = context;
  const node = recording.node(id);
  if (!node.requires_grad || recording.passes === 0) return null;
  if (hidden?.node === id && hidden.pass === pass) return s("text", { x: 22, y: 54, class: "hidden-gradient" }, "?");
  const { sum: own, complete } = recording.gradient(id, pass, at);
  const grad = node.kind === "operation" ? null : recording.grad(id, at);
  const shown = complete && grad !== null ? grad : own;
  const earlier =
    shown !== null && shown === grad
      ? null
      : (grad ?? (recording.layer(pass) > 0 ? recording.gradient(id, pass - 1, at).sum : null));
  if (shown === null && earlier === null)
    return s("g", { class: "none" }, s("circle", { cx: 13, cy: 50, r: 3 }), s("text", { x: 22, y: 54 }, t("noneYet")));
  const rows: SVGElement[] = [];
  const both = shown !== null && earlier !== null;
  if (earlier !== null)
    rows.push(row(both ? 48 : 52, "gradient earlier", recording.json(earlier), both ? width / 2 : width, both));
  if (shown !== null) rows.push(row(both ? 55 : 52, "gradient", recording.json(shown), width, both));
  return s("g", {}, ...rows);
}
/** A number, or the elements as a strip of colors; thin, if two gradients share the place. */
function row(y: number, kind: string, json: TensorJson, boxWidth: number, thin = false): SVGElement {
  const dot = s("circle", { cx: 13, cy: y - 2, r: thin ? 2.5 : 3, class: kind });
  const data = json.data ?? json.thumbnail?.data ?? json.rows?.data ?? [];
  if (data.length === 1) {
    const right = thin && !kind.includes("earlier") ? boxWidth / 2 : 0; // two numbers stand side by side
    const place = thin ? 52 : y;
    return s(
      "g",
      { class: `row ${kind}` },
      s("circle", { cx: 13 + right, cy: place - 2, r: 3, class: kind }),
      s("text", { x: 22 + right, y: place + 2 }, format(numberOf(data[0]!))),
    );
  }
  const shown =
    data.length <= 24 ? data : Array.from({ length: 24 }, (_, i) => data[Math.floor((i * data.length) / 24)]!);
  const most = largest(data);
  const width = Math.min(
    ((thin && kind.includes("earlier") ? boxWidth * 2 : boxWidth) - 32) / Math.max(shown.length, 1),
    16,
  );
  const cells = shown.map((each, i) =>
    s("rect", {
      x: 22 + i * width,
      y: thin ? y - 4 : y - 6,
      width: Math.max(width - 0.7, 0.6),
      height: thin ? 5 : 9,
      style: `fill:${heat(numberOf(each), most)}`,
    }),
  );
  return s("g", { class: `row ${kind}` }, dot, ...cells);
}

// Groups ------------------------------------------------------------------------------------------

function drawClosedGroup(box: Box, group: Group, context: BoxContext, actions: GraphActions): SVGElement {
  const passing = box.before === true || box.after === true;
  const shown = passing ? group.parent! : group;
  const { recorded, fired } = context.shares(group);
  const holds = context.current !== null && !passing && holdsNode(context, group, context.current);
  const count = passing ? turnsText(box, group) : t("entries", { n: group.entries });
  const names = ["group", group.kind, recorded === 0 && "future", holds && "current", passing && "passing"]
    .filter(Boolean)
    .join(" ");
  const label =
    group.kind === "loop"
      ? t("loopLabel", { title: group.title, subtitle: group.subtitle })
      : t("groupLabel", { title: shown.title, subtitle: shown.subtitle, n: group.entries });
  const act = () => (passing ? actions.turn(shown.id, group.turn) : actions.toggle(group.id));
  const bar = (share: number, kind: string) =>
    s("rect", { class: `bar ${kind}`, x: 10, y: box.height - 9, width: (box.width - 20) * share, height: 3, rx: 1.5 });
  return frame(
    box,
    context,
    names,
    label,
    act,
    group.kind === "loop" || passing
      ? s("rect", { class: "body stack", x: 5, y: -5, width: box.width, height: box.height, rx: 9 })
      : null,
    s("rect", { class: "body", width: box.width, height: box.height, rx: 9 }),
    text(10, 22, "name", passing ? count : group.title || t("untitled"), group.kind === "loop" ? 14 : 19),
    group.kind === "loop" ? s("text", { x: box.width - 10, y: 22, class: "times" }, group.subtitle) : null,
    passing ? null : text(10, 42, "shape", group.kind === "module" && group.subtitle ? group.subtitle : count, 24),
    bar(1, "track"),
    bar(recorded, "recorded"),
    bar(fired, "fired"),
  );
}
function turnsText(box: Box, group: Group): string {
  const all = group.parent!.children.filter(isGroup).length;
  return box.before ? t("turnsBefore", { n: group.turn + 1 }) : t("turnsAfter", { n: all - group.turn });
}
function holdsNode(context: BoxContext, group: Group, node: number): boolean {
  return context.groupsOf(node).includes(group);
}
function drawOpenGroup(box: Box, group: Group, context: BoxContext, actions: GraphActions): SVGElement {
  const holds = context.current !== null && holdsNode(context, group, context.current);
  const children: (SVGElement | null)[] = [
    s("rect", { class: "body", width: box.width, height: box.height, rx: 12 }),
    openTitle(box, group),
  ];
  if (group.kind === "loop") children.push(loopControl(box, group, context, actions));
  if (group.kind === "turn") children.push(...turnControls(box, group, actions));
  if (group.kind !== "turn")
    children.push(s("text", { x: box.width - 18, y: 20, class: "fold", "aria-hidden": "true" }, "–"));
  return frame(
    box,
    context,
    `group open ${group.kind} ${holds ? "holds" : ""} depth${box.depth % 2}`,
    t("closeGroup", { title: group.title || group.kind }),
    group.kind === "turn" ? undefined : () => actions.toggle(group.id),
    ...children,
  );
}
/** The title, and after it the subtitle, if there is room. */
function openTitle(box: Box, group: Group): SVGElement {
  const whole = group.kind === "turn" ? t("turn", { n: group.title, all: group.subtitle.slice(1) }) : group.title;
  const title = whole.length > kLongestTitle ? `${whole.slice(0, kLongestTitle - 1)}…` : whole;
  const used = (group.kind === "loop" ? 160 : 48) + nameWidth(title);
  const subtitle = group.kind === "turn" || box.width - used < nameWidth(group.subtitle) ? "" : group.subtitle;
  return s(
    "text",
    { x: 14, y: 20, class: "name" },
    title,
    subtitle ? s("tspan", { class: "after-name", dx: 8 }, subtitle) : null,
  );
}
function control(x: number, y: number, label: string, sign: string, act: () => void, width = 22): SVGElement {
  return s(
    "g",
    {
      class: "control",
      transform: `translate(${x} ${y})`,
      role: "button",
      tabindex: 0,
      "aria-label": label,
      onclick: (event: MouseEvent) => (event.stopPropagation(), act()),
      onkeydown: (event: KeyboardEvent) =>
        (event.key === "Enter" || event.key === " ") && (event.preventDefault(), event.stopPropagation(), act()),
    },
    s("rect", { width, height: 18, rx: 9 }),
    s("text", { x: width / 2, y: 13 }, sign),
  );
}
function loopControl(box: Box, group: Group, context: BoxContext, actions: GraphActions): SVGElement {
  const turns = group.children.filter(isGroup).length;
  const rolled = context.isRolled(group);
  const sign = rolled ? t("unroll", { n: turns }) : t("roll");
  const width = sign.length * 6.2 + 16;
  return control(box.width - width - 32, 7, sign, sign, () => actions.turn(group.id, rolled ? "all" : 0), width);
}
function turnControls(box: Box, group: Group, actions: GraphActions): SVGElement[] {
  const loop = group.parent!;
  const last = loop.children.filter(isGroup).length - 1;
  const to = (turn: number) => () => actions.turn(loop.id, Math.min(Math.max(turn, 0), last));
  return [
    control(box.width - 56, 6, t("previous"), "‹", to(group.turn - 1)),
    control(box.width - 30, 6, t("next"), "›", to(group.turn + 1)),
  ];
}

function drawError(box: Box, context: BoxContext): SVGElement {
  const op = context.error?.op ?? "";
  return frame(
    box,
    context,
    `entry failed ${context.error?.isReached ? "current" : "future"}`,
    t("boxLabel", { name: op, kind: t("kindError"), shape: "", state: "" }),
    undefined,
    s("rect", { class: "body", width: box.width, height: box.height, rx: 9 }),
    text(10, 24, "name", op),
    text(10, 45, "shape", t("kindError")),
  );
}
