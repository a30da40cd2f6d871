// The state of the page, and how it is kept in the address's hash, so that a link shows the same
// step, entry and changes. Read next: src/graph_part.ts.
import type { Edits } from "./replay.ts";
import type { Hidden } from "./words.ts";

export type Panel = "step" | "entry" | "predict" | "compare";
export const panels: Panel[] = ["step", "entry", "predict", "compare"];

export interface State {
  at: number; // the moment
  node: number | null; // the chosen entry
  element: number | null; // the chosen element of its value
  panel: Panel;
  edits: Edits;
  hidden: Hidden | null;
  quiz: string | null; // the seed, if the quiz is shown
  open: Set<string>;
  closed: Set<string>; // closed by the learner, though they open by themselves
  turns: Map<string, number | "all">; // of loops, where it is not that of the current step
}

export function initialState(): State {
  return {
    at: 0,
    node: null,
    element: null,
    panel: "step",
    edits: { elements: [] },
    hidden: null,
    quiz: null,
    open: new Set(),
    closed: new Set(),
    turns: new Map(),
  };
}

export function toHash(state: State): string {
  const parts = new URLSearchParams();
  parts.set("step", String(state.at + 1));
  if (state.node !== null) parts.set("entry", String(state.node));
  if (state.element !== null) parts.set("element", String(state.element));
  if (state.panel !== "step") parts.set("panel", state.panel);
  if (state.quiz !== null) parts.set("quiz", state.quiz);
  if (state.edits.elements.length)
    parts.set("set", state.edits.elements.map(({ node, at, value }) => `${node}.${at}:${value}`).join(","));
  if (state.edits.lr !== undefined) parts.set("lr", String(state.edits.lr));
  if (state.open.size) parts.set("open", [...state.open].join(","));
  if (state.closed.size) parts.set("closed", [...state.closed].join(","));
  if (state.turns.size) parts.set("turns", [...state.turns].map(([id, turn]) => `${id}:${turn}`).join(","));
  return parts.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

export function fromHash(hash: string, moments: number, nodes: number): State {
  const state = initialState();
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (name: string, most: number): number | null => {
    const x = Number(parts.get(name) ?? NaN);
    return Number.isInteger(x) && x >= 0 && x < most ? x : null;
  };
  const list = (name: string) => (parts.get(name) ?? "").split(",").filter((each) => each !== "");
  state.at = Math.max((whole("step", moments + 1) ?? 1) - 1, 0);
  state.node = whole("entry", nodes);
  state.element = whole("element", Infinity);
  state.panel = panels.find((panel) => panel === parts.get("panel")) ?? "step";
  state.quiz = parts.get("quiz");
  for (const each of list("set")) {
    const found = /^(\d+)\.(\d+):(.+)$/.exec(each);
    if (found && Number(found[1]) < nodes && Number.isFinite(Number(found[3]))) {
      state.edits.elements.push({ node: Number(found[1]), at: Number(found[2]), value: Number(found[3]) });
    }
  }
  const lr = Number(parts.get("lr") ?? NaN);
  if (Number.isFinite(lr)) state.edits.lr = lr;
  state.open = new Set(list("open"));
  state.closed = new Set(list("closed"));
  for (const each of list("turns")) {
    const [id, turn] = each.split(":");
    if (id && turn) state.turns.set(id, turn === "all" ? "all" : Number(turn));
  }
  return state;
}
