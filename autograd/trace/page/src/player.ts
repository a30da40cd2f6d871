// Playback: buttons, the slider, and under it the timeline of phases and of the bytes that the tape
// holds. Read next: src/step_parts.ts.
import { byId, h, s } from "./dom.ts";
import { formatBytes } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";
import { phaseOf, type Phase } from "./words.ts";

const kWidth = 1000; // of the timeline's own coordinates
const kSpeeds = [0.5, 1, 2, 4, 8];

export class Player {
  readonly element: HTMLElement;
  private readonly slider = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": t("slider") });
  private readonly counter = h("output", { class: "counter" });
  private readonly playButton = h("button", { type: "button", class: "play", onclick: () => this.toggle() });
  private readonly timeline = h("div", { class: "timeline" });
  private readonly jumps = h("div", { class: "jumps" });
  private readonly speed = h(
    "select",
    { "aria-label": t("speed") },
    ...kSpeeds.map((each) => h("option", { value: each, selected: each === 1 }, `${each}×`)),
  );
  private timer: ReturnType<typeof setTimeout> | undefined;
  private recording!: Recording;
  private at = 0;
  private head: SVGElement | undefined;

  constructor(private readonly go: (at: number) => void) {
    const button = (label: string, shape: string, act: () => void) =>
      h("button", { type: "button", "aria-label": label, title: label, onclick: act }, icon(shape));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.element = h(
      "section",
      { class: "player", "aria-label": t("player") },
      h(
        "div",
        { class: "transport" },
        button(t("first"), "M3 2h2v10H3zM12 2v10L5.5 7z", () => this.go(0)),
        button(t("previous"), "M10.5 2v10L4 7z", () => this.go(this.at - 1)),
        this.playButton,
        button(t("next"), "M3.5 2v10L10 7z", () => this.go(this.at + 1)),
        button(t("last"), "M9 2h2v10H9zM2 2v10l6.5-5z", () => this.go(this.last())),
        this.counter,
        this.speed,
        this.jumps,
      ),
      this.slider,
      this.timeline,
    );
    this.showPlaying();
  }

  load(recording: Recording): void {
    this.recording = recording;
    this.slider.max = String(Math.max(this.last(), 0));
    this.timeline.replaceChildren(this.drawTimeline());
    this.jumps.replaceChildren(...this.drawJumps());
  }
  show(at: number, words: string): void {
    this.at = at;
    this.slider.value = String(at);
    this.slider.setAttribute("aria-valuetext", words);
    this.counter.textContent = t("count", { n: at + 1, all: this.recording.moments.length });
    this.head?.setAttribute("transform", `translate(${this.x(at)} 0)`);
    const { step } = this.recording.moments[at]!;
    const part = `${phaseOf(this.recording, at)}${"pass" in step ? step.pass : -1}`;
    for (const each of this.jumps.querySelectorAll<HTMLElement>("button")) {
      const { from, to } = each.dataset;
      each.classList.toggle(
        "now",
        each.dataset.part === part || (to !== undefined && Number(from) <= at && at <= Number(to)),
      );
    }
  }
  private last(): number {
    return this.recording.moments.length - 1;
  }

  toggle(): void {
    if (this.timer !== undefined) return this.stop();
    if (this.at >= this.last()) this.go(0);
    this.tick();
  }
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.showPlaying();
  }
  private tick(): void {
    this.timer = setTimeout(
      () => {
        if (this.at >= this.last()) return this.stop();
        this.go(this.at + 1);
        this.tick();
      },
      900 / Number(this.speed.value),
    );
    this.showPlaying();
  }
  private showPlaying(): void {
    const playing = this.timer !== undefined;
    this.playButton.replaceChildren(icon(playing ? "M3 2h3v10H3zM8 2h3v10H8z" : "M3.5 1.5v11L12 7z"));
    this.playButton.setAttribute("aria-label", t(playing ? "pause" : "play"));
    this.playButton.title = t(playing ? "pause" : "play");
  }

  // Timeline ---------------------------------------------------------------------------------------

  private x(at: number): number {
    return (at / Math.max(this.recording.moments.length - 1, 1)) * kWidth;
  }
  /** Where moment `at` begins: halfway from the one before it. */
  private edge(at: number): number {
    return Math.min(Math.max(this.x(at - 0.5), 0), kWidth);
  }
  private second(pass: number): string {
    return pass >= 0 && this.recording.layer(pass) > 0 ? "second" : "";
  }
  /** Runs of moments of one phase; the second pass is a phase of its own. */
  private runs(): { phase: Phase; pass: number; from: number; to: number }[] {
    const runs: { phase: Phase; pass: number; from: number; to: number }[] = [];
    this.recording.moments.forEach(({ step }, at) => {
      const phase = phaseOf(this.recording, at);
      const pass = "pass" in step ? step.pass : -1;
      const last = runs.at(-1);
      if (last && last.phase === phase && last.pass === pass) last.to = at;
      else runs.push({ phase, pass, from: at, to: at });
    });
    return runs;
  }
  private drawTimeline(): HTMLElement {
    const bytes = this.recording.bytes();
    const peak = bytes.reduce((most, each) => Math.max(most, each), 0);
    const at = bytes.indexOf(peak);
    const all = this.recording.moments.length;
    const bands = this.runs().map(({ phase, pass, from, to }) =>
      s("rect", {
        class: `band ${phase} ${this.second(pass)}`,
        x: this.edge(from),
        width: this.edge(to + 1) - this.edge(from),
        y: 0,
        height: 5,
      }),
    );
    const ticks = this.recording.segments
      .slice(0, -1)
      .map(({ to }) => s("line", { class: "snapshot", x1: this.x(to), x2: this.x(to), y1: 0, y2: 44 }));
    this.head = s("g", { class: "playhead" }, s("line", { y1: 0, y2: 44 }));
    const area = peak === 0 ? null : s("path", { class: "bytes", d: this.areaPath(bytes, peak) });
    const svg = s(
      "svg",
      {
        viewBox: `0 0 ${kWidth} 44`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": peak ? t("timeline", { bytes: formatBytes(peak), n: at + 1 }) : t("player"),
      },
      area,
      ...bands,
      ...ticks,
      this.head,
    );
    svg.addEventListener("pointerdown", (event) => {
      const box = svg.getBoundingClientRect();
      this.go(Math.round(((event.clientX - box.left) / box.width) * (all - 1)));
    });
    const label =
      peak === 0
        ? null
        : h(
            "span",
            { class: "peak", style: `--x:${this.x(at) / 10}%`, "data-side": at / all > 0.5 ? "left" : "right" },
            t("peak", { bytes: formatBytes(peak) }),
          );
    return h("div", { class: "track" }, svg as unknown as HTMLElement, label);
  }
  private areaPath(bytes: number[], peak: number): string {
    const y = (each: number) => 44 - (each / peak) * 32;
    const step = Math.max(Math.floor(bytes.length / 2000), 1);
    const parts = [`M0 44`];
    for (let i = 0; i < bytes.length; i += step) {
      const [left, right] = [this.edge(i), this.edge(Math.min(i + step, bytes.length))];
      parts.push(`L${left.toFixed(1)} ${y(bytes[i]!).toFixed(1)} L${right.toFixed(1)} ${y(bytes[i]!).toFixed(1)}`);
    }
    return `${parts.join(" ")} L${kWidth} 44 Z`;
  }
  private drawJumps(): HTMLElement[] {
    const { segments } = this.recording;
    if (segments.length > 1) {
      return segments.map(({ title, from, to }) =>
        h(
          "button",
          { type: "button", "data-from": from, "data-to": to, onclick: () => this.go(to) },
          title || t("current"),
        ),
      );
    }
    const jumps: HTMLElement[] = [];
    const known = new Set<string>();
    for (const { phase, pass, from } of this.runs()) {
      const text =
        phase === "forward"
          ? t("toForward")
          : phase === "update"
            ? t("toUpdate")
            : phase === "error"
              ? t("toError")
              : phase === "backward"
                ? this.recording.passes > 1
                  ? t("toBackwardN", { n: pass + 1 })
                  : t("toBackward")
                : "";
      if (!text || known.has(text) || jumps.length > 7) continue;
      known.add(text);
      jumps.push(
        h(
          "button",
          {
            type: "button",
            "data-part": `${phase}${pass}`,
            class: `${phase} ${this.second(pass)}`,
            onclick: () => this.go(from),
          },
          text,
        ),
      );
    }
    return jumps;
  }
}

function icon(d: string): Node {
  return s("svg", { class: "icon", viewBox: "0 0 14 14", "aria-hidden": "true" }, s("path", { d }));
}

/** Says the step to screen readers. */
export function announce(words: string): void {
  const live = byId("announce");
  if (live.textContent !== words) live.textContent = words;
}
