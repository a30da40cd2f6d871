// The graph: boxes and edges in one SVG, with pan and zoom. Only what is visible is drawn. Read
// next: src/box.ts.
import { select } from "d3-selection";
import { zoom, zoomIdentity, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { drawBox, type BoxContext } from "./box.ts";
import { h, reducedMotion, s } from "./dom.ts";
import { isGroup } from "./groups.ts";
import type { Box, Edge, Picture } from "./layout.ts";
import { t } from "./texts.ts";

export interface GraphActions {
  choose(node: number): void;
  toggle(group: string): void;
  turn(loop: string, to: number | "all"): void;
}

const kSmallest = 0.6; // a scale at which boxes can be read
const kLargest = 1.15;

export class GraphView {
  readonly element: HTMLElement;
  readonly tools: HTMLElement;
  private readonly svg: SVGSVGElement;
  private readonly groupLayer = s("g", { class: "groups" });
  private readonly edgeLayer = s("g", { class: "edges" });
  private readonly boxLayer = s("g", { class: "boxes" });
  private readonly behavior: ZoomBehavior<SVGSVGElement, unknown>;
  private transform: ZoomTransform = zoomIdentity;
  private picture: Picture | undefined;
  private context: BoxContext | undefined;
  private queued = false;
  private lastFocus: string | undefined;

  constructor(private readonly actions: GraphActions) {
    const canvas = s("g", {}, this.groupLayer, this.edgeLayer, this.boxLayer);
    this.svg = s("svg", { class: "graph", role: "group", "aria-label": t("graph") }, arrowHeads(), canvas);
    // The wheel alone scrolls the page; with Ctrl, which a pinch on a touchpad sends too, it zooms.
    const wanted = (event: MouseEvent) =>
      event.type === "wheel" ? event.ctrlKey || event.metaKey : !event.ctrlKey && !event.button;
    this.behavior = zoom<SVGSVGElement, unknown>()
      .filter(wanted)
      .scaleExtent([0.05, 2.5])
      .on("zoom", (event: { transform: ZoomTransform }) => {
        this.transform = event.transform;
        canvas.setAttribute("transform", event.transform.toString());
        this.queue();
      });
    select(this.svg).call(this.behavior).on("dblclick.zoom", null);
    const button = (label: string, text: string, onclick: () => void) =>
      h("button", { type: "button", "aria-label": label, title: label, onclick }, text);
    this.element = h("div", { class: "graph-frame" }, this.svg as unknown as HTMLElement);
    this.tools = h(
      "div",
      { class: "graph-tools" },
      button(t("zoomOut"), "−", () => this.scale(1 / 1.4)),
      button(t("zoomIn"), "+", () => this.scale(1.4)),
      button(t("fit"), "⤢", () => this.fit()),
    );
    this.svg.addEventListener("wheel", (event) => this.panSideways(event), { passive: false });
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.queue()).observe(this.svg);
    addEventListener("resize", () => this.picture && this.adaptHeight(this.picture));
  }

  /** Shows another layout, or another moment of the same one. */
  show(picture: Picture, context: BoxContext): void {
    const first = this.picture === undefined;
    const another = this.picture !== picture;
    this.picture = picture;
    this.context = context;
    if (another) this.adaptHeight(picture);
    if (first) this.begin();
    this.redraw();
  }

  // View -------------------------------------------------------------------------------------------

  private size(): { width: number; height: number } {
    const { width, height } = this.svg.getBoundingClientRect();
    return { width: width || 600, height: height || 400 };
  }
  private move(transform: ZoomTransform, animated: boolean): void {
    const target = select(this.svg);
    if (!animated || reducedMotion()) return void target.call(this.behavior.transform, transform);
    const from = this.transform;
    const start = performance.now();
    const frame = (now: number) => {
      const share = Math.min((now - start) / 220, 1);
      const eased = share * (2 - share);
      const mix = (a: number, b: number) => a + (b - a) * eased;
      target.call(
        this.behavior.transform,
        zoomIdentity.translate(mix(from.x, transform.x), mix(from.y, transform.y)).scale(mix(from.k, transform.k)),
      );
      if (share < 1) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }
  /** As high as the picture needs it, within limits. */
  private adaptHeight(picture: Picture): void {
    const { width } = this.size();
    const k = Math.min(Math.max((width - 48) / Math.max(picture.width, 1), kSmallest), kLargest);
    const height = Math.min(Math.max(picture.height * k + 64, 190), innerHeight * 0.44);
    this.element.style.height = `${Math.round(height)}px`;
  }
  private fitted(smallest: number): ZoomTransform {
    const { width, height } = this.size();
    const { width: w, height: own } = this.picture!;
    const k = Math.max(Math.min((width - 48) / Math.max(w, 1), (height - 40) / Math.max(own, 1), kLargest), smallest);
    const x = w * k < width ? (width - w * k) / 2 : 24;
    const y = own * k < height ? (height - own * k) / 2 : 20;
    return zoomIdentity.translate(x, y).scale(k);
  }
  /** Shows the whole picture, however small. */
  fit(): void {
    if (this.picture) this.move(this.fitted(0.05), false);
  }
  /** Shows the whole picture if that is readable, and otherwise its beginning. */
  private begin(): void {
    this.move(this.fitted(kSmallest), false);
  }
  private scale(factor: number): void {
    select(this.svg).call(this.behavior.scaleBy, factor);
  }
  private panSideways(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey || Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    select(this.svg).call(this.behavior.translateBy, -event.deltaX / this.transform.k, 0);
  }
  /** Moves the view so that a box lies in it, if it does not. */
  reveal(box: Box | undefined, animated = true): void {
    if (!box) return;
    const { width, height } = this.size();
    const { x, y, k } = this.transform;
    const [left, top] = [box.x * k + x, box.y * k + y];
    const [right, bottom] = [left + Math.min(box.width, 200) * k, top + Math.min(box.height, 100) * k];
    if (left >= 8 && top >= 8 && right <= width - 8 && bottom <= height - 40) return;
    const scale = Math.max(k, kSmallest);
    const [cx, cy] = [box.x + Math.min(box.width, 200) / 2, box.y + Math.min(box.height, 100) / 2];
    const picture = this.picture ?? box;
    const to = [
      within(width / 2 - cx * scale, width, picture.width * scale, 24),
      within(height / 2 - cy * scale, height, picture.height * scale, 20),
    ] as const;
    this.move(zoomIdentity.translate(...to).scale(scale), animated);
  }

  // Drawing ----------------------------------------------------------------------------------------

  private queue(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.redraw();
    });
  }
  private isVisible(x: number, y: number, width: number, height: number): boolean {
    const size = this.size();
    const { x: tx, y: ty, k } = this.transform;
    const margin = 80;
    return (
      (x + width) * k + tx > -margin &&
      x * k + tx < size.width + margin &&
      (y + height) * k + ty > -margin &&
      y * k + ty < size.height + margin
    );
  }
  private redraw(): void {
    if (!this.picture || !this.context) return;
    const context = this.context;
    const focused = (document.activeElement as Element | null)?.closest?.(".box")?.getAttribute("data-key");
    const visible = this.picture.boxes.filter((box) => this.isVisible(box.x, box.y, box.width, box.height));
    const details = visible.length < 160 && this.transform.k > 0.3;
    const currentBox = context.current === null ? undefined : this.picture.boxOf(context.current);
    const candidates = [focused, this.lastFocus, currentBox?.key, visible[0]?.key];
    context.tabStop = candidates.find((key) => key != null && visible.some((box) => box.key === key)) ?? undefined;
    const draw = (boxes: Box[]) => boxes.map((box) => drawBox(box, context, details, this.actions));
    this.groupLayer.replaceChildren(...draw(visible.filter(({ open }) => open)));
    this.boxLayer.replaceChildren(...draw(visible.filter(({ open }) => !open)));
    const edges = this.picture.edges.filter((edge) => {
      const [left, right] = [
        Math.min(edge.from.x, edge.to.x),
        Math.max(edge.from.x + edge.from.width, edge.to.x + edge.to.width),
      ];
      const [top, bottom] = [
        Math.min(edge.from.y, edge.to.y),
        Math.max(edge.from.y + edge.from.height, edge.to.y + edge.to.height),
      ];
      return this.isVisible(left, top, right - left, bottom - top);
    });
    this.edgeLayer.replaceChildren(...edges.map((edge) => drawEdge(edge, context)).filter((edge) => edge !== null));
    if (focused) this.focusKey(focused);
  }

  // Keys -------------------------------------------------------------------------------------------

  private onKey(event: KeyboardEvent): void {
    const key = (event.target as Element).closest(".box")?.getAttribute("data-key");
    const box = this.picture?.boxes.find((each) => each.key === key);
    if (!box || !this.picture || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      this.activate(box);
    } else {
      const next = neighbor(this.picture, box, event.key);
      if (!next) return;
      this.reveal(next);
      requestAnimationFrame(() => requestAnimationFrame(() => this.focus(next)));
      this.focus(next);
    }
    event.preventDefault();
    event.stopPropagation();
  }
  private activate(box: Box): void {
    if (box.before || box.after || isGroup(box.item)) {
      const group = isGroup(box.item) ? box.item : undefined;
      if (group && (box.before || box.after)) this.actions.turn(group.parent!.id, group.turn);
      else if (group) this.actions.toggle(group.id);
    } else if (box.item >= 0) {
      this.actions.choose(box.item);
    }
  }
  private focus(box: Box): void {
    this.focusKey(box.key);
  }
  private focusKey(key: string): void {
    this.lastFocus = key;
    this.svg.querySelector<SVGElement>(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }
}

/** Where a picture begins in a view, as near as possible to `wanted` without showing more than a margin beside it. */
function within(wanted: number, view: number, picture: number, margin: number): number {
  const least = view - picture - margin;
  return least >= margin ? (view - picture) / 2 : Math.min(Math.max(wanted, least), margin);
}

/** Right and left walk along the edges, up and down to the next box of the same column. */
function neighbor(picture: Picture, box: Box, key: string): Box | undefined {
  if (key === "ArrowRight") return picture.edges.find((edge) => edge.from === box)?.to;
  if (key === "ArrowLeft") return picture.edges.find((edge) => edge.to === box)?.from;
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const sign = key === "ArrowDown" ? 1 : -1;
  const distance = (other: Box) => (other.y - box.y) * sign + Math.abs(other.x - box.x) * 0.5;
  const candidates = picture.boxes.filter((other) => other !== box && (other.y - box.y) * sign > 4);
  return candidates.sort((a, b) => distance(a) - distance(b))[0];
}

function arrowHeads(): SVGElement {
  const marker = (id: string) =>
    s(
      "marker",
      {
        id,
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 11,
        markerHeight: 11,
        markerUnits: "userSpaceOnUse",
        orient: "auto-start-reverse",
      },
      s("path", { d: "M0 0.5 L8 4 L0 7.5 z", class: id }),
    );
  return s("defs", {}, marker("head"), marker("head-gradient"), marker("head-second"));
}

function pathOf(edge: Edge): string {
  const { from, to } = edge;
  const start = { x: from.x + from.width, y: from.y + from.height / 2 };
  const end = { x: to.x, y: to.y + to.height / 2 };
  let d = `M${start.x} ${start.y}`;
  let last = start;
  const inner = edge.points.filter((point) => point.x > start.x + 12 && point.x < end.x - 12);
  for (const point of [...inner, end]) {
    const bend = Math.max((point.x - last.x) / 2, 12);
    d += ` C${last.x + bend} ${last.y} ${point.x - bend} ${point.y} ${point.x} ${point.y}`;
    last = point;
  }
  return d;
}
function drawEdge(edge: Edge, context: BoxContext): SVGElement | null {
  const active = edge.pairs.some(([from, to]) => context.activeEdge?.[0] === from && context.activeEdge[1] === to);
  const done = !active && edge.pairs.slice(0, 50).some(([from, to]) => context.hasFlowed(from, to));
  const kept = edge.pairs.some(([from, to]) => context.highlightsInput(from, to));
  if (edge.isOfHub && !active && !kept) return null;
  const future = edge.pairs.every(([, to]) => to >= 0 && !context.recording.isRecorded(to, context.at));
  const names = [
    "edge",
    active && "active",
    done && "done",
    future && "future",
    kept && "kept",
    context.recording.layer(context.pass) > 0 && "second",
  ]
    .filter(Boolean)
    .join(" ");
  const marker = active
    ? { "marker-start": `url(#head-${context.recording.layer(context.pass) > 0 ? "second" : "gradient"})` }
    : future
      ? {}
      : { "marker-end": "url(#head)" };
  return s("path", { d: pathOf(edge), class: names, ...marker });
}
