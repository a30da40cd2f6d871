// App: holds the state, and draws what depends on it. It is the last file to read.
import { byId, h } from "./dom.ts";
import { drawCompare } from "./compare_panel.ts";
import { EntryPanel } from "./entry_panel.ts";
import type { TapeJson } from "./format.ts";
import { currentNode, GraphPart } from "./graph_part.ts";
import { announce, Player } from "./player.ts";
import { PredictPanel } from "./predict_panel.ts";
import { drawQuiz } from "./quiz.ts";
import { Recording } from "./recording.ts";
import { Replay } from "./replay.ts";
import { fromHash, panels, toHash, type Panel, type State } from "./state.ts";
import { StepPanel } from "./step_panel.ts";
import { t, type TextKey } from "./texts.ts";
import { explanation, heading, kindOfBad, nameOf, type Hidden } from "./words.ts";

const kPanelText: Record<Panel, TextKey> = {
  step: "panelStep",
  entry: "panelEntry",
  predict: "panelPredict",
  compare: "panelCompare",
};

export class App {
  private recording: Recording;
  private readonly original: Recording;
  private state: State;
  private changed: ReadonlySet<number> = new Set();
  private stale: ReadonlySet<number> = new Set();
  private predict: HTMLElement[] | undefined;
  private readonly graphPart = new GraphPart({
    choose: (node) => this.choose(node),
    toggle: (group) => this.update(this.graphPart.toggled(this.state, group)),
    turn: (loop, to) => this.update({ turns: new Map(this.state.turns).set(loop, to) }),
    open: (node, change) => {
      Object.assign(this.state, change);
      this.choose(node);
    },
  });
  private readonly player = new Player((at) => this.go(at));

  constructor(tape: TapeJson) {
    this.original = this.recording = new Recording(tape);
    this.state = fromHash(location.hash, this.recording.moments.length, tape.nodes.length);
    const asked =
      new URLSearchParams(location.search).get("quiz") ?? (tape.quiz === undefined ? null : String(tape.quiz));
    if (asked !== null && !location.hash.includes("step=")) this.state.quiz = asked;
    document.title = t("pageTitle", { title: tape.title || t("untitled") });
    byId("title").textContent = tape.title || t("untitled");
    byId("subtitle").textContent = this.subtitle();
    byId("graph-place").replaceChildren(...this.graphPart.elements);
    byId("player-place").replaceChildren(this.player.element);
    this.drawTabs();
    this.recompute();
    addEventListener("keydown", (event) => this.onKey(event));
    addEventListener("hashchange", () => this.onHash());
    this.render();
    if (this.state.quiz === null) this.graphPart.revealCurrent(false);
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
    this.update({
      at: to,
      turns,
      panel: this.state.panel === "entry" && this.state.node === null ? "step" : this.state.panel,
    });
    this.graphPart.revealCurrent();
  }
  private choose(node: number): void {
    this.update({
      node,
      element: this.recording.json(this.recording.node(node).value).data?.length === 1 ? 0 : null,
      panel: "entry",
    });
    this.graphPart.reveal(node);
  }
  private edit(node: number, at: number, value: number | undefined): void {
    const elements = this.state.edits.elements.filter((each) => each.node !== node || each.at !== at);
    if (value !== undefined) elements.push({ node, at, value });
    this.update({ edits: { ...this.state.edits, elements } });
  }
  private onHash(): void {
    if (location.hash.slice(1) === toHash(this.state)) return;
    const { hidden } = this.state;
    this.update({
      ...fromHash(location.hash, this.recording.moments.length, this.recording.tape.nodes.length),
      hidden,
    });
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
        byId("quiz-place").replaceChildren(
          drawQuiz(recording, state.quiz!, {
            leave: () => this.leaveQuiz(),
            start: (seed) => this.update({ quiz: seed }),
          }),
        );
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

  private drawGraph(): void {
    this.graphPart.draw(this.recording, this.state, { changed: this.changed, stale: this.stale });
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
          choose: (node) => this.choose(node),
          pick: (element) => this.update({ element }),
          edit: (node, at, value) => this.edit(node, at, value),
        }).draw();
      case "predict":
        return (this.predict ??= new PredictPanel(recording, state.node ?? currentNode(recording, state.at), {
          hide: (hidden: Hidden | null) => this.update({ hidden }),
        }).draw());
      case "compare":
        return drawCompare(recording, (node, at) => (this.go(at), this.choose(node)));
      default:
        if (recording.moments.length === 0) return [h("p", {}, t("nothing"))];
        return new StepPanel(recording, state.at, state.hidden, {
          choose: (node) => this.choose(node),
          pick: (node, element) => this.update({ node, element, panel: "entry" }),
          setRate: (lr) => this.update({ edits: { ...state.edits, lr } }),
        }).draw();
    }
  }
  private drawTabs(): void {
    const shown = panels.filter((panel) => panel !== "compare" || this.recording.segments.length > 1);
    const tabs = shown.map((panel) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${panel}`,
          "aria-controls": "panel",
          onclick: () => this.update({ panel }),
        },
        t(kPanelText[panel]),
      ),
    );
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
      notices.push(
        h(
          "p",
          { class: "notice edited" },
          text + stale,
          " ",
          h(
            "button",
            { type: "button", class: "link", onclick: () => this.update({ edits: { elements: [] } }) },
            t("reset"),
          ),
        ),
      );
    }
    const bad = this.recording.firstNonFinite();
    if (bad) {
      const kind = kindOfBad(this.recording, bad.tensor);
      notices.push(
        h(
          "p",
          { class: "notice bad" },
          t("notFiniteBegan", { kind, name: nameOf(this.recording, bad.node) }),
          " ",
          h(
            "button",
            { type: "button", class: "link", onclick: () => this.update({ at: bad.moment, panel: "step" }) },
            t("goThere"),
          ),
        ),
      );
    }
    byId("notices").replaceChildren(...notices);
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
      f: () => this.graphPart.fit(),
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
  private leaveQuiz(): void {
    this.update({ quiz: null });
    this.graphPart.revealCurrent(false);
  }
  startQuiz(): void {
    this.player.stop();
    this.update({ quiz: this.state.quiz ?? String(this.recording.tape.quiz ?? 1) });
  }
}
