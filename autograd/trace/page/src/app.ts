// App: holds the state, and draws what depends on it. Read next: src/main.ts.
import { byId, h } from "./dom.ts";
import { drawCompare } from "./compare_panel.ts";
import { EntryPanel } from "./entry_panel.ts";
import type { TapeJson } from "./format.ts";
import { GraphView } from "./graph.ts";
import { Groups, isGroup, type Group } from "./groups.ts";
import { Layout, type Picture } from "./layout.ts";
import { announce, Player } from "./player.ts";
import { PredictPanel } from "./predict_panel.ts";
import { Progress } from "./progress.ts";
import { drawQuiz } from "./quiz.ts";
import { Recording } from "./recording.ts";
import { Replay } from "./replay.ts";
import { openByThemselves } from "./opening.ts";
import { fromHash, panels, toHash, type Panel, type State } from "./state.ts";
import { StepPanel } from "./step_panel.ts";
import { t, type TextKey } from "./texts.ts";
import { explanation, heading, kindOfBad, nameOf, type Hidden } from "./words.ts";

const kPanelText: Record<Panel, TextKey> = { step: "panelStep", entry: "panelEntry", predict: "panelPredict", compare: "panelCompare" };

export class App {
  private recording: Recording;
  private readonly original: Recording;
  private state: State;
  private changed: ReadonlySet<number> = new Set();
  private stale: ReadonlySet<number> = new Set();
  private groups!: Groups;
  private byThemselves!: ReadonlySet<string>;
  private segment = -2;
  private picture: { key: string; value: Picture } | undefined;
  private progress!: Progress;
  private found: ReadonlySet<number> = new Set();
  private predict: HTMLElement[] | undefined;
  private readonly graph = new GraphView({
    choose: (node) => this.choose(node),
    toggle: (group) => this.toggle(group),
    turn: (loop, to) => this.update({ turns: new Map(this.state.turns).set(loop, to) }),
  });
  private readonly player = new Player((at) => this.go(at));

  constructor(tape: TapeJson) {
    this.original = this.recording = new Recording(tape);
    this.state = fromHash(location.hash, this.recording.moments.length, tape.nodes.length);
    const asked = new URLSearchParams(location.search).get("quiz") ?? (tape.quiz === undefined ? null : String(tape.quiz));
    if (asked !== null && !location.hash.includes("step=")) this.state.quiz = asked;
    document.title = t("pageTitle", { title: tape.title || t("untitled") });
    byId("title").textContent = tape.title || t("untitled");
    byId("subtitle").textContent = this.subtitle();
    byId("graph-place").replaceChildren(this.graph.element, h("div", { class: "under-graph" }, this.legend(), this.searchField(), this.graph.tools));
    byId("player-place").replaceChildren(this.player.element);
    this.drawTabs();
    this.recompute();
    addEventListener("keydown", (event) => this.onKey(event));
    addEventListener("hashchange", () => this.onHash());
    this.render();
    this.revealCurrent(false);
  }

  // Changes of the state ---------------------------------------------------------------------------

  private update(change: Partial<State>): void {
    const edited = change.edits !== undefined;
    Object.assign(this.state, change);
    if (edited) this.recompute();
    this.render();
  }
  private go(at: number): void {
    const last = this.recording.moments.length - 1;
    const to = Math.min(Math.max(at, 0), Math.max(last, 0));
    const turns = new Map([...this.state.turns].filter(([, turn]) => turn === "all"));
    this.update({ at: to, turns, panel: this.state.panel === "entry" && this.state.node === null ? "step" : this.state.panel });
    this.revealCurrent();
  }
  private choose(node: number): void {
    this.update({ node, element: this.recording.json(this.recording.node(node).value).data?.length === 1 ? 0 : null, panel: "entry" });
    this.revealNode(node);
  }
  private toggle(id: string): void {
    const [open, closed] = [new Set(this.state.open), new Set(this.state.closed)];
    if (this.isOpen(id)) {
      open.delete(id);
      if (this.byThemselves.has(id)) closed.add(id);
    } else {
      closed.delete(id);
      if (!this.byThemselves.has(id)) open.add(id);
    }
    this.update({ open, closed });
  }
  private edit(node: number, at: number, value: number | undefined): void {
    const elements = this.state.edits.elements.filter((each) => each.node !== node || each.at !== at);
    if (value !== undefined) elements.push({ node, at, value });
    this.update({ edits: { ...this.state.edits, elements } });
  }
  private onHash(): void {
    if (location.hash.slice(1) === toHash(this.state)) return;
    const { hidden } = this.state;
    this.update({ ...fromHash(location.hash, this.recording.moments.length, this.recording.tape.nodes.length), hidden });
  }

  /** Plays the tape again with the learner's changes. */
  private recompute(): void {
    const { edits } = this.state;
    edits.elements = edits.elements.filter(({ node, at }) => {
      const own = this.original.node(node);
      const data = own.kind === "operation" ? undefined : this.original.json(this.original.value(node, -1)).data;
      return data !== undefined && at < data.length;
    });
    const isEdited = edits.elements.length > 0 || edits.lr !== undefined;
    const replayed = isEdited ? new Replay(this.original, edits).run() : undefined;
    this.recording = replayed ? new Recording(replayed.tape) : this.original;
    this.changed = replayed?.changed ?? new Set();
    this.stale = replayed?.stale ?? new Set();
    this.segment = -2;
    this.predict = undefined;
    this.state.hidden = null;
    this.player.load(this.recording);
  }

  // Drawing ----------------------------------------------------------------------------------------

  private render(): void {
    const { state, recording } = this;
    const isQuiz = state.quiz !== null;
    byId("tape-view").hidden = isQuiz;
    byId("quiz-place").hidden = !isQuiz;
    if (isQuiz) {
      if (byId("quiz-place").dataset.seed !== state.quiz) {
        byId("quiz-place").dataset.seed = state.quiz!;
        byId("quiz-place").replaceChildren(drawQuiz(recording, state.quiz!, { leave: () => this.update({ quiz: null }), start: (seed) => this.update({ quiz: seed }) }));
      }
      this.keepHash();
      return;
    }
    delete byId("quiz-place").dataset.seed;
    if (recording.moments.length > 0) {
      const words = `${heading(recording, state.at)}. ${explanation(recording, state.at, state.hidden)}`;
      this.player.show(state.at, words);
      announce(words);
    }
    this.drawNotices();
    this.drawGraph();
    this.drawPanel();
    this.keepHash();
  }
  private keepHash(): void {
    history.replaceState(null, "", `#${toHash(this.state)}`);
  }

  private isOpen(id: string): boolean {
    return (this.byThemselves.has(id) && !this.state.closed.has(id)) || this.state.open.has(id);
  }
  private regroup(): void {
    const { recording, state } = this;
    const segment = recording.segmentOf(state.at);
    if (segment === this.segment) return;
    this.segment = segment;
    const { from, to } = recording.segments[segment] ?? { from: 0, to: recording.moments.length - 1 };
    this.groups = new Groups(recording, from, to);
    this.byThemselves = openByThemselves(this.groups);
    this.progress = new Progress(recording);
    this.picture = undefined;
  }
  /** The turn of an open loop that is shown: the learner's, or that of the current step. */
  private shownTurn(loop: Group, path: readonly Group[]): number | undefined {
    const pinned = this.state.turns.get(loop.id);
    if (pinned === "all") return undefined;
    if (pinned !== undefined) return pinned;
    const own = path.find((group) => group.parent === loop);
    return own ? own.turn : (this.lastTurn.get(loop.id) ?? 0);
  }
  private readonly lastTurn = new Map<string, number>();

  private drawGraph(): void {
    this.regroup();
    const { recording, state, groups } = this;
    const current = this.currentNode();
    const path = current === null || current < 0 ? [] : groups.path(groups.group(current));
    const turns = new Map<string, number>();
    const open = new Set<string>();
    for (const group of groups.byId.values()) {
      if (group.kind === "turn" ? true : this.isOpen(group.id)) open.add(group.id);
      if (group.kind !== "loop") continue;
      const turn = this.shownTurn(group, path);
      if (turn !== undefined) turns.set(group.id, turn), this.lastTurn.set(group.id, turn);
    }
    // All turns of an unrolled loop are closed, but for those that the learner opened.
    for (const group of groups.byId.values()) {
      if (group.kind === "turn" && !turns.has(group.parent!.id) && !state.open.has(group.id)) open.delete(group.id);
    }
    const error = this.errorStep();
    const key = `${[...open]}|${[...turns]}|${error !== undefined}`;
    if (this.picture?.key !== key) {
      const errors = error ? [{ inputs: error.inputs, key: "error" }] : [];
      this.picture = { key, value: new Layout(recording, groups, { groups: open, turns }).picture(errors) };
    }
    const { step } = recording.moments[state.at] ?? {};
    const pass = recording.passAt(state.at);
    this.graph.show(this.picture.value, {
      recording, at: state.at, pass, current, chosen: state.node, found: this.found, hidden: state.hidden, changed: this.changed, stale: this.stale,
      firstBad: recording.firstNonFinite()?.node, error: error ? { op: error.op, isReached: step?.kind === "error" } : undefined,
      activeEdge: step?.kind === "contribution" ? [step.to, step.from] : null,
      hasFlowed: (from, to) => this.progress.flowed(from, to, pass, state.at),
      highlightsInput: (_, to) => step?.kind === "forward" && step.node === to,
      shares: (group) => this.progress.shares(group, pass, state.at),
      groupsOf: (node) => groups.path(groups.group(node)),
      isRolled: (loop) => turns.has(loop.id),
    });
  }
  private errorStep() {
    for (const { step } of this.recording.moments) if (step.kind === "error") return step;
    return undefined;
  }
  private currentNode(): number | null {
    const { step } = this.recording.moments[this.state.at] ?? {};
    if (!step) return null;
    if (step.kind === "contribution") return step.from;
    return "node" in step ? step.node : null;
  }
  private revealCurrent(animated = true): void {
    const { step } = this.recording.moments[this.state.at] ?? {};
    if (step?.kind === "error") return this.graph.reveal(this.picture?.value.boxes.find(({ key }) => key === "error"), animated);
    const node = this.currentNode();
    if (node !== null) this.graph.reveal(this.picture?.value.boxOf(node), animated);
  }
  private revealNode(node: number): void {
    this.graph.reveal(this.picture?.value.boxOf(node));
  }

  private drawPanel(): void {
    const { state, recording } = this;
    const place = byId("panel");
    const focused = document.activeElement as HTMLElement | null;
    const within = focused && place.contains(focused) ? focused : null;
    const mark = within?.id ? `#${within.id}` : within?.dataset.at ? `[data-at="${within.dataset.at}"]` : undefined;
    document.querySelectorAll<HTMLElement>("[role=tab]").forEach((tab) => {
      const chosen = tab.id === `tab-${state.panel}`;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    });
    place.setAttribute("aria-labelledby", `tab-${state.panel}`);
    if (state.panel === "predict" && this.predict && place.dataset.panel === "predict") return;
    place.dataset.panel = state.panel;
    place.replaceChildren(...this.panelContent(recording, state));
    if (mark) place.querySelector<HTMLElement>(mark)?.focus({ preventScroll: true });
  }
  private panelContent(recording: Recording, state: State): HTMLElement[] {
    switch (state.panel) {
      case "entry":
        return new EntryPanel(recording, state.at, state.node, state.element, state.edits, this.stale, state.hidden, {
          choose: (node) => this.choose(node), pick: (element) => this.update({ element }), edit: (node, at, value) => this.edit(node, at, value),
        }).draw();
      case "predict":
        return (this.predict ??= new PredictPanel(recording, state.node ?? this.currentNode(), { hide: (hidden: Hidden | null) => this.update({ hidden }) }).draw());
      case "compare":
        return drawCompare(recording, (node, at) => (this.go(at), this.choose(node)));
      default:
        if (recording.moments.length === 0) return [h("p", {}, t("nothing"))];
        return new StepPanel(recording, state.at, state.hidden, { choose: (node) => this.choose(node), pick: (node, element) => this.update({ node, element, panel: "entry" }), setRate: (lr) => this.update({ edits: { ...state.edits, lr } }) }).draw();
    }
  }
  private drawTabs(): void {
    const shown = panels.filter((panel) => panel !== "compare" || this.recording.segments.length > 1);
    const tabs = shown.map((panel) => h("button", { type: "button", role: "tab", id: `tab-${panel}`, "aria-controls": "panel", onclick: () => this.update({ panel }) }, t(kPanelText[panel])));
    const list = byId("tabs");
    list.replaceChildren(...tabs);
    list.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      const at = tabs.indexOf(document.activeElement as HTMLButtonElement);
      if (step === 0 || at < 0) return;
      event.preventDefault();
      event.stopPropagation();
      const next = tabs[(at + step + tabs.length) % tabs.length]!;
      next.focus();
      next.click();
    });
  }

  // Around -----------------------------------------------------------------------------------------

  private subtitle(): string {
    const { nodes } = this.recording.tape;
    return t("subtitle", {
      entries: t("entries", { n: nodes.filter(({ kind }) => kind === "operation").length }),
      parameters: t("parameters", { n: nodes.filter(({ kind }) => kind === "parameter").length }),
      passes: t("passes", { n: this.recording.passes }),
    });
  }
  private drawNotices(): void {
    const notices: HTMLElement[] = [];
    const { edits } = this.state;
    const what: string[] = [];
    if (edits.elements.length) what.push(t("editedNumbers", { n: edits.elements.length }));
    if (edits.lr !== undefined) what.push(t("editedRate"));
    if (what.length) {
      const text = t("edited", { what: what.length > 1 ? t("and", { a: what[0]!, b: what[1]! }) : what[0]! });
      const stale = this.stale.size ? ` ${t("staleNote", { n: this.stale.size })}` : "";
      notices.push(h("p", { class: "notice edited" }, text + stale, " ", h("button", { type: "button", class: "link", onclick: () => this.update({ edits: { elements: [] } }) }, t("reset"))));
    }
    const bad = this.recording.firstNonFinite();
    if (bad) {
      const kind = kindOfBad(this.recording, bad.tensor);
      notices.push(h("p", { class: "notice bad" }, t("notFiniteBegan", { kind, name: nameOf(this.recording, bad.node) }), " ",
        h("button", { type: "button", class: "link", onclick: () => this.update({ at: bad.moment, panel: "step" }) }, t("goThere"))));
    }
    byId("notices").replaceChildren(...notices);
  }
  private searchField(): HTMLElement {
    const input = h("input", { type: "search", id: "search", placeholder: t("search"), "aria-label": t("search") });
    const count = h("output", { class: "search-count" });
    let hits: number[] = [];
    let next = 0;
    input.addEventListener("input", () => {
      const text = input.value.trim().toLowerCase();
      const { tape } = this.recording;
      hits = text === "" ? [] : tape.nodes.flatMap((_, id) => (nameOf(this.recording, id).toLowerCase().includes(text) ? [id] : []));
      next = 0;
      count.textContent = text === "" ? "" : hits.length ? t("searchCount", { n: hits.length }) : t("searchNone");
      this.found = new Set(hits);
      this.drawGraph();
      if (hits.length) this.revealNode(hits[0]!);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && hits.length) this.find(hits[next++ % hits.length]!);
      if (event.key === "Escape") (input.value = ""), input.dispatchEvent(new Event("input"));
    });
    return h("div", { class: "search" }, input, count);
  }
  /** Chooses a found entry, and opens the groups around it. */
  private find(node: number): void {
    const open = new Set(this.state.open);
    const turns = new Map(this.state.turns);
    for (const group of this.groups.path(this.groups.group(node))) {
      if (group.kind === "turn") turns.set(group.parent!.id, group.turn);
      else if (isGroup(group) && !this.isOpen(group.id)) open.add(group.id);
    }
    this.state.open = open;
    this.state.turns = turns;
    this.choose(node);
    byId<HTMLInputElement>("search").focus();
  }
  private legend(): HTMLElement {
    const item = (kind: string, text: string) => h("span", { class: `key-item ${kind}` }, h("i", {}), text);
    return h("p", { class: "graph-legend", "aria-hidden": "true" },
      item("parameter", t("legendParameter")), item("data", t("legendData")), item("value", t("legendForward")), item("gradient", t("legendGradient")), item("none", t("noneYet")));
  }

  private onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || this.state.quiz !== null) return;
    if (target.closest("input:not([type=range]), select, textarea, dialog")) return;
    const onButton = target.closest("button, summary, [role=button], [role=tab]") !== null;
    const act: Record<string, () => void> = {
      ArrowRight: () => this.go(this.state.at + 1),
      ArrowLeft: () => this.go(this.state.at - 1),
      Home: () => this.go(0),
      End: () => this.go(this.recording.moments.length - 1),
      "/": () => byId("search").focus(),
      f: () => this.graph.fit(),
      "?": () => byId<HTMLDialogElement>("help").showModal(),
    };
    if (event.key === " " && !onButton) act[" "] = () => this.player.toggle();
    const panel = panels[Number(event.key) - 1];
    if (panel && document.getElementById(`tab-${panel}`)) act[event.key] = () => this.update({ panel });
    const found = act[event.key];
    if (!found) return;
    event.preventDefault();
    found();
  }
  /** Draws again what holds colors of its own: heat maps. */
  repaint(): void {
    if (this.state.panel !== "predict") this.render();
  }
  startQuiz(): void {
    this.player.stop();
    this.update({ quiz: this.state.quiz ?? String(this.recording.tape.quiz ?? 1) });
  }
}
