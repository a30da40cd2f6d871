// Layout: where each visible box stands. Open groups are laid out one by one, from the inside out,
// left to right; edges run between the boxes that are visible. Read next: src/graph.ts.
import { graphlib, layout as dagre } from "@dagrejs/dagre";
import { shapeText } from "./format.ts";
import { isGroup, type Group, type Groups, type Item } from "./groups.ts";
import type { Recording } from "./recording.ts";

export interface Box {
  key: string;
  item: Item;
  open: boolean;
  before?: boolean; // the turns of a loop before the one that is shown, or after it
  after?: boolean;
  x: number; // left, in the whole picture
  y: number;
  width: number;
  height: number;
  depth: number;
}
export interface Edge {
  key: string;
  from: Box;
  to: Box;
  points: { x: number; y: number }[]; // inner points
  pairs: [number, number][]; // the nodes it stands for
  isOfHub: boolean; // from a leaf that very many use: drawn only where it matters
}
export interface Picture {
  boxes: Box[];
  edges: Edge[];
  boxOf(node: number): Box | undefined; // the visible box that holds a node
  width: number;
  height: number;
}

/** Which groups are open, and which turn of an open loop is shown (undefined: all). */
export interface Opened {
  groups: ReadonlySet<string>;
  turns: ReadonlyMap<string, number>;
}

export const kBox = { height: 62, header: 30, padding: 14 };
export const kLongestName = 18;
export const kLongestTitle = 32; // of an open group
const kMostUsers = 24;

let pen: CanvasRenderingContext2D | null | undefined;
/** The width of a text, as the browser draws it; without a browser, a guess. */
function measured(text: string, font: string, letter: number): number {
  if (pen === undefined)
    pen = typeof document === "undefined" ? null : document.createElement("canvas").getContext("2d");
  if (pen === null) return text.length * letter;
  pen.font = font;
  return pen.measureText(text).width;
}
export const nameWidth = (text: string) =>
  measured(text, '600 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif', 8);
export const shapeWidth = (text: string) =>
  measured(text, '11px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace', 6.7);

/** Wide enough for the name and the shape in one line. */
function widthOf(recording: Recording, item: Item): number {
  if (isGroup(item)) {
    const title =
      nameWidth(item.title.slice(0, kLongestName)) + (item.kind === "loop" ? nameWidth(item.subtitle) + 14 : 0);
    return Math.max(title, nameWidth(item.subtitle.slice(0, 24)) * 0.9, 84) + 24;
  }
  if (item < 0) return 140;
  const node = recording.node(item);
  const shape = node.shape.length ? shapeWidth(shapeText(node.shape)) + 12 : 0;
  return Math.max(nameWidth(recording.name(item).slice(0, kLongestName)) + shape + 20, 100);
}

interface Placed {
  boxes: Box[];
  width: number;
  height: number;
  routes: Map<string, { x: number; y: number }[]>;
}

export class Layout {
  constructor(
    private readonly recording: Recording,
    private readonly groups: Groups,
    private readonly opened: Opened,
  ) {}

  picture(errors: { inputs: number[]; key: string }[]): Picture {
    const placed = this.place(this.groups.root, 0, errors);
    const byKey = new Map(placed.boxes.map((box) => [box.key, box]));
    const boxOf = (node: number) => byKey.get(this.visibleKey(node));
    const edges = this.edges(boxOf, placed.routes);
    for (const { inputs, key } of errors) {
      for (const input of inputs) {
        const [from, to] = [boxOf(input), byKey.get(key)];
        if (from && to)
          edges.push({ key: `${from.key}>${key}`, from, to, points: [], pairs: [[input, -1]], isOfHub: false });
      }
    }
    return { boxes: placed.boxes, edges, boxOf, width: placed.width, height: placed.height };
  }

  // Which boxes are visible ------------------------------------------------------------------------

  private isOpen(group: Group): boolean {
    return group.kind === "root" || this.opened.groups.has(group.id);
  }
  /** The boxes of an open group. */
  private children(group: Group): { key: string; item: Item; before?: boolean; after?: boolean }[] {
    const shown = this.opened.turns.get(group.id);
    if (group.kind !== "loop" || shown === undefined) return group.children.map((item) => ({ key: keyOf(item), item }));
    const turns = group.children.filter(isGroup);
    const leaves = group.children.filter((child) => !isGroup(child));
    return [
      ...leaves.map((item) => ({ key: keyOf(item), item })),
      ...(shown > 0 ? [{ key: `${group.id}<`, item: turns[shown - 1]!, before: true }] : []),
      { key: keyOf(turns[shown]!), item: turns[shown]! },
      ...(shown + 1 < turns.length ? [{ key: `${group.id}>`, item: turns[shown + 1]!, after: true }] : []),
    ];
  }
  /** The key of the box that stands for a node: its own, or that of the outermost closed group. */
  private visibleKey(node: number): string {
    const path = this.groups.path(this.groups.group(node));
    for (let i = 0; i < path.length; ++i) {
      const group = path[i]!;
      const above = path[i - 1];
      if (above?.kind === "loop") {
        const shown = this.opened.turns.get(above.id);
        if (shown !== undefined && group.turn !== shown) return `${above.id}${group.turn < shown ? "<" : ">"}`;
      }
      if (!this.isOpen(group)) return group.id;
    }
    return keyOf(node);
  }

  // Positions --------------------------------------------------------------------------------------

  private place(group: Group, depth: number, errors: { inputs: number[]; key: string }[]): Placed {
    const children = this.children(group);
    const inner = new Map<string, Placed>();
    const graph = new graphlib.Graph({ multigraph: false });
    graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 34, edgesep: 8, marginx: 0, marginy: 0 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const { key, item, before, after } of children) {
      let [width, height] = [before || after ? 110 : widthOf(this.recording, item), kBox.height];
      if (isGroup(item) && !before && !after && this.isOpen(item)) {
        const own = this.place(item, depth + 1, []);
        inner.set(key, own);
        const title = nameWidth(item.title.slice(0, kLongestTitle)) + (item.kind === "loop" ? 160 : 48);
        const inside = Math.max(own.width, 120, title - 2 * kBox.padding);
        [width, height] = [inside + 2 * kBox.padding, own.height + kBox.header + kBox.padding];
      }
      graph.setNode(key, { width, height });
    }
    for (const { key } of errors) graph.setNode(key, { width: widthOf(this.recording, -1), height: kBox.height });
    for (const [from, to] of this.edgesInside(group, new Set(children.map(({ key }) => key)))) graph.setEdge(from, to);
    for (const { inputs, key } of errors) for (const input of inputs) graph.setEdge(this.childKey(group, input)!, key);
    dagre(graph);
    return this.collect(graph, children, inner, depth, errors);
  }
  private collect(
    graph: graphlib.Graph,
    children: ReturnType<Layout["children"]>,
    inner: Map<string, Placed>,
    depth: number,
    errors: { key: string }[],
  ): Placed {
    const boxes: Box[] = [];
    const routes = new Map<string, { x: number; y: number }[]>();
    const all = [...children, ...errors.map(({ key }) => ({ key, item: -1 as Item, before: false, after: false }))];
    for (const { key, item, before, after } of all) {
      const { x, y, width, height } = graph.node(key) as { x: number; y: number; width: number; height: number };
      const box: Box = {
        key,
        item,
        before,
        after,
        open: inner.has(key),
        x: x - width / 2,
        y: y - height / 2,
        width,
        height,
        depth,
      };
      boxes.push(box);
      const own = inner.get(key);
      if (!own) continue;
      const [dx, dy] = [box.x + kBox.padding + (width - 2 * kBox.padding - own.width) / 2, box.y + kBox.header];
      for (const child of own.boxes) boxes.push({ ...child, x: child.x + dx, y: child.y + dy });
      for (const [name, points] of own.routes)
        routes.set(
          name,
          points.map((point) => ({ x: point.x + dx, y: point.y + dy })),
        );
    }
    for (const edge of graph.edges()) {
      const points = (graph.edge(edge) as { points?: { x: number; y: number }[] }).points ?? [];
      routes.set(`${edge.v}>${edge.w}`, points);
    }
    const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
    return { boxes, routes, width: Math.max(width, 0), height: Math.max(height, 0) };
  }

  // Edges ------------------------------------------------------------------------------------------

  private linksOf?: [number, number][];
  private links(): [number, number][] {
    if (this.linksOf) return this.linksOf;
    const links: [number, number][] = [];
    this.recording.tape.nodes.forEach((node, to) => {
      if (!this.groups.has(to)) return;
      for (const from of new Set(node.inputs)) if (from >= 0 && this.groups.has(from)) links.push([from, to]);
    });
    return (this.linksOf = links);
  }
  /** Whether so many entries use this leaf that its edges would hide the picture. */
  private isHub(node: number): boolean {
    return (
      this.recording.node(node).kind !== "operation" &&
      this.recording.consumers[node]!.length > kMostUsers &&
      this.groups.group(node).kind !== "loop"
    );
  }
  /** The box of `group` that holds a node; undefined if the node is elsewhere. */
  private childKey(group: Group, node: number): string | undefined {
    const path = this.groups.path(this.groups.group(node));
    const at = path.indexOf(group);
    if (at < 0) return undefined;
    const child = path[at + 1];
    if (!child) return keyOf(node);
    const shown = this.opened.turns.get(group.id);
    if (shown !== undefined && child.turn >= 0 && child.turn !== shown)
      return `${group.id}${child.turn < shown ? "<" : ">"}`;
    return child.id;
  }
  private *edgesInside(group: Group, keys: Set<string>): Iterable<[string, string]> {
    const seen = new Set<string>();
    const placed = new Set<number>(); // leaves with many users stand before the first of them
    for (const [from, to] of this.links()) {
      const [a, b] = [this.childKey(group, from), this.childKey(group, to)];
      if (!a || !b || a === b || !keys.has(a) || !keys.has(b) || seen.has(`${a}>${b}`)) continue;
      if (/[<>]$/.test(b) && !this.isInTurn(group, from)) continue;
      if (this.isHub(from) && placed.has(from)) continue;
      placed.add(from);
      seen.add(`${a}>${b}`);
      yield [a, b];
    }
  }
  private isInTurn(loop: Group, node: number): boolean {
    const path = this.groups.path(this.groups.group(node));
    return (path[path.indexOf(loop) + 1]?.turn ?? -1) >= 0;
  }
  /** The other turns of a loop use what the shown one uses: those edges would only repeat its edges. */
  private repeatsTheShownTurn(a: Box, b: Box, from: number, to: number): boolean {
    const loopOf = (box: Box) => (box.item as Group).parent!;
    if (b.before || b.after)
      return !this.groups.path(this.groups.group(from)).includes(loopOf(b)) || !this.isInTurn(loopOf(b), from);
    return a.before === true && !this.groups.path(this.groups.group(to)).includes(loopOf(a));
  }
  private edges(boxOf: (node: number) => Box | undefined, routes: Map<string, { x: number; y: number }[]>): Edge[] {
    const edges = new Map<string, Edge>();
    for (const [from, to] of this.links()) {
      const [a, b] = [boxOf(from), boxOf(to)];
      if (!a || !b || a === b || this.repeatsTheShownTurn(a, b, from, to)) continue;
      const key = `${a.key}>${b.key}`;
      const known = edges.get(key);
      if (known) known.pairs.push([from, to]);
      else
        edges.set(key, {
          key,
          from: a,
          to: b,
          points: this.route(from, to, routes),
          pairs: [[from, to]],
          isOfHub: this.isHub(from),
        });
    }
    return [...edges.values()];
  }
  /** The inner points of the way that dagre found between the two, where their groups meet. */
  private route(from: number, to: number, routes: Map<string, { x: number; y: number }[]>): { x: number; y: number }[] {
    const [a, b] = [this.groups.path(this.groups.group(from)), this.groups.path(this.groups.group(to))];
    let meet = 0;
    while (meet + 1 < a.length && meet + 1 < b.length && a[meet + 1] === b[meet + 1]) ++meet;
    const group = a[meet]!;
    return (routes.get(`${this.childKey(group, from)}>${this.childKey(group, to)}`) ?? []).slice(1, -1);
  }
}

export function keyOf(item: Item): string {
  return isGroup(item) ? item.id : `n${item}`;
}
