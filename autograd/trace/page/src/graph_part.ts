// The graph with its legend and search: which groups and turns are shown, and what holds for each
// box at the current step. Read next: src/app.ts.
import { byId, h } from "./dom.ts";
import { GraphView, type GraphActions } from "./graph.ts";
import { Groups, type Group } from "./groups.ts";
import { Layout, type Picture } from "./layout.ts";
import { openByThemselves } from "./opening.ts";
import { Progress } from "./progress.ts";
import type { Recording } from "./recording.ts";
import type { State } from "./state.ts";
import { t } from "./texts.ts";
import { nameOf } from "./words.ts";

export interface GraphPartActions extends GraphActions {
  /** Chooses a node, after the groups around it were opened. */
  open(node: number, change: Pick<State, "open" | "turns">): void;
}
interface Marks {
  changed: ReadonlySet<number>;
  stale: ReadonlySet<number>;
}

/** The node of the step. */
export function currentNode(recording: Recording, at: number): number | null {
  const { step } = recording.moments[at] ?? {};
  if (!step) return null;
  if (step.kind === "contribution") return step.from;
  return "node" in step ? step.node : null;
}

export class GraphPart {
  readonly elements: HTMLElement[];
  private readonly view: GraphView;
  private recording!: Recording;
  private state!: State;
  private marks!: Marks;
  private grouped: { recording: Recording; segment: number } | undefined;
  private groups!: Groups;
  private byThemselves!: ReadonlySet<string>;
  private progress!: Progress;
  private picture: { key: string; value: Picture } | undefined;
  private found: ReadonlySet<number> = new Set();
  private readonly lastTurn = new Map<string, number>();

  constructor(private readonly actions: GraphPartActions) {
    this.view = new GraphView(actions);
    this.elements = [
      this.view.element,
      h("div", { class: "under-graph" }, legend(), this.searchField(), this.view.tools),
    ];
  }

  draw(recording: Recording, state: State, marks: Marks): void {
    Object.assign(this, { recording, state, marks });
    this.regroup();
    const { groups } = this;
    const current = currentNode(recording, state.at);
    const path = current === null ? [] : groups.path(groups.group(current));
    const { open, turns } = this.opened(path);
    const error = this.errorStep();
    const key = `${[...open]}|${[...turns]}|${error !== undefined}`;
    if (this.picture?.key !== key) {
      const errors = error ? [{ inputs: error.inputs.filter((id) => id >= 0), key: "error" }] : [];
      this.picture = { key, value: new Layout(recording, groups, { groups: open, turns }).picture(errors) };
    }
    const { step } = recording.moments[state.at] ?? {};
    const pass = recording.passAt(state.at);
    this.view.show(this.picture.value, {
      recording,
      at: state.at,
      pass,
      current,
      chosen: state.node,
      found: this.found,
      hidden: state.hidden,
      ...marks,
      firstBad: recording.firstNonFinite()?.node,
      error: error ? { op: error.op, isReached: step?.kind === "error" } : undefined,
      activeEdge: step?.kind === "contribution" ? [step.to, step.from] : null,
      hasFlowed: (from, to) => this.progress.flowed(from, to, pass, state.at),
      highlightsInput: (_, to) => step?.kind === "forward" && step.node === to,
      shares: (group) => this.progress.shares(group, pass, state.at),
      groupsOf: (node) => groups.path(groups.group(node)),
      isRolled: (loop) => turns.has(loop.id),
    });
  }
  fit(): void {
    this.view.fit();
  }
  reveal(node: number, animated = true): void {
    this.view.reveal(this.picture?.value.boxOf(node), animated);
  }
  revealCurrent(animated = true): void {
    const { step } = this.recording.moments[this.state.at] ?? {};
    const boxes = this.picture?.value.boxes;
    if (step?.kind === "error")
      return this.view.reveal(
        boxes?.find(({ key }) => key === "error"),
        animated,
      );
    const node = currentNode(this.recording, this.state.at);
    if (node !== null) this.reveal(node, animated);
  }

  // Groups and turns -------------------------------------------------------------------------------

  private isOpen(id: string, { open, closed } = this.state): boolean {
    return (this.byThemselves.has(id) && !closed.has(id)) || open.has(id);
  }
  /** The change of the state that opens or closes a group. */
  toggled(state: State, id: string): Pick<State, "open" | "closed"> {
    const [open, closed] = [new Set(state.open), new Set(state.closed)];
    if (this.isOpen(id)) {
      open.delete(id);
      if (this.byThemselves.has(id)) closed.add(id);
    } else {
      closed.delete(id);
      if (!this.byThemselves.has(id)) open.add(id);
    }
    return { open, closed };
  }
  /** Groups the entries anew if the recording changed, or another part between snapshots is shown. */
  private regroup(): void {
    const { recording, state } = this;
    const segment = recording.segmentOf(state.at);
    if (this.grouped?.recording === recording && this.grouped.segment === segment) return;
    this.grouped = { recording, segment };
    const { from, to } = recording.segments[segment] ?? { from: 0, to: recording.moments.length - 1 };
    this.groups = new Groups(recording, from, to);
    this.byThemselves = openByThemselves(this.groups);
    this.progress = new Progress(recording);
    this.picture = undefined;
  }
  /** The open groups, and for each loop the turn that is shown. */
  private opened(path: readonly Group[]): { open: Set<string>; turns: Map<string, number> } {
    const turns = new Map<string, number>();
    const open = new Set<string>();
    for (const group of this.groups.byId.values()) {
      if (group.kind === "loop") {
        const turn = this.shownTurn(group, path);
        if (turn !== undefined) (turns.set(group.id, turn), this.lastTurn.set(group.id, turn));
      }
      if (group.kind !== "turn" && this.isOpen(group.id)) open.add(group.id);
    }
    // Where all turns are shown, they are closed, except for those that the learner opened.
    for (const group of this.groups.byId.values()) {
      if (group.kind === "turn" && (turns.has(group.parent!.id) || this.state.open.has(group.id))) open.add(group.id);
    }
    return { open, turns };
  }
  /** The turn of a loop that is shown: the learner's, or that of the current step; undefined: all. */
  private shownTurn(loop: Group, path: readonly Group[]): number | undefined {
    const pinned = this.state.turns.get(loop.id);
    if (pinned === "all") return undefined;
    const last = loop.children.length - 1;
    if (pinned !== undefined) return Math.min(pinned, last);
    const own = path.find((group) => group.parent === loop && group.turn >= 0);
    return own ? own.turn : (this.lastTurn.get(loop.id) ?? 0);
  }
  private errorStep() {
    for (const { step } of this.recording.moments) if (step.kind === "error") return step;
    return undefined;
  }

  // Search -----------------------------------------------------------------------------------------

  private searchField(): HTMLElement {
    const input = h("input", { type: "search", id: "search", placeholder: t("search"), "aria-label": t("search") });
    const count = h("output", { class: "search-count" });
    let hits: number[] = [];
    let next = 0;
    input.addEventListener("input", () => {
      const text = input.value.trim().toLowerCase();
      const { tape } = this.recording;
      hits =
        text === ""
          ? []
          : tape.nodes.flatMap((_, id) => (nameOf(this.recording, id).toLowerCase().includes(text) ? [id] : []));
      next = 0;
      count.textContent = text === "" ? "" : hits.length ? t("searchCount", { n: hits.length }) : t("searchNone");
      this.found = new Set(hits);
      this.draw(this.recording, this.state, this.marks);
      if (hits.length) this.reveal(hits[0]!);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && hits.length) this.find(hits[next++ % hits.length]!);
      if (event.key === "Escape") ((input.value = ""), input.dispatchEvent(new Event("input")));
    });
    return h("div", { class: "search" }, input, count);
  }
  /** Chooses a found entry, and opens the groups around it. */
  private find(node: number): void {
    const open = new Set(this.state.open);
    const turns = new Map(this.state.turns);
    for (const group of this.groups.path(this.groups.group(node))) {
      if (group.kind === "turn") turns.set(group.parent!.id, group.turn);
      else if (group.kind !== "root" && !this.isOpen(group.id)) open.add(group.id);
    }
    this.actions.open(node, { open, turns });
    byId<HTMLInputElement>("search").focus();
  }
}

function legend(): HTMLElement {
  const item = (kind: string, text: string) => h("span", { class: `key-item ${kind}` }, h("i", {}), text);
  return h(
    "p",
    { class: "graph-legend", "aria-hidden": "true" },
    item("parameter", t("legendParameter")),
    item("data", t("legendData")),
    item("value", t("legendForward")),
    item("gradient", t("legendGradient")),
    item("none", t("noneYet")),
  );
}
