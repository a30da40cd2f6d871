// Groups: the entries as a tree. A call of a module is a group; a run of like items, as an unrolled
// loop makes it, becomes one group "×40"; a long list is cut into parts. Read next: src/opening.ts.
import type { Recording } from "./recording.ts";

export interface Group {
  id: string;
  kind: "root" | "module" | "loop" | "turn" | "part";
  title: string;
  subtitle: string;
  parent: Group | null;
  children: Item[];
  entries: number; // operations inside
  turn: number; // its position in a loop; -1 elsewhere
}
export type Item = Group | number; // a number is a node
export const isGroup = (item: Item): item is Group => typeof item !== "number";

const kMostChildren = 60;
const kLongestPeriod = 24;
const kFewestTurns = 3; // of modules; loops of single operations must be longer
const kFewestOperations = 8;

export class Groups {
  readonly root: Group = make("root", "root", "", "", null);
  readonly byId = new Map<string, Group>([["root", this.root]]);
  private readonly parentOf = new Map<number, Group>(); // the group of each node
  private readonly paths = new Map<Group, readonly Group[]>();

  /** Groups the nodes that were recorded in the moments from `from` to `to`. */
  constructor(
    private readonly recording: Recording,
    from: number,
    to: number,
  ) {
    const modules = new Map<number, Group>();
    const used = new Set<number>();
    recording.tape.nodes.forEach((node, id) => {
      if (node.kind !== "operation") return;
      const at = recording.forwardMoment(id);
      if (at < from || at > to) return;
      this.moduleGroup(node.module ?? -1, modules).children.push(id);
      node.inputs?.forEach((input) => input >= 0 && recording.node(input).kind !== "operation" && used.add(input));
    });
    for (const { step } of recording.moments.slice(from, to + 1)) {
      if (step.kind === "error")
        step.inputs.forEach((input) => recording.node(input).kind !== "operation" && used.add(input));
    }
    this.finish(this.root);
    for (const leaf of used) this.placeLeaf(leaf);
  }

  group(id: number): Group {
    return this.parentOf.get(id) ?? this.root;
  }
  has(id: number): boolean {
    return this.parentOf.has(id);
  }
  /** The groups from the root to this one. */
  path(group: Group): readonly Group[] {
    let path = this.paths.get(group);
    if (!path) this.paths.set(group, (path = group.parent ? [...this.path(group.parent), group] : [group]));
    return path;
  }

  private moduleGroup(module: number, known: Map<number, Group>): Group {
    if (module < 0) return this.root;
    const found = known.get(module);
    if (found) return found;
    const { parent, name, type } = this.recording.tape.modules[module]!;
    const above = this.moduleGroup(parent, known);
    const group = make(`m${module}`, "module", name || type, name ? type : "", above);
    above.children.push(group);
    known.set(module, group);
    return group;
  }

  /** Folds loops and cuts long lists, from the inside out. */
  private finish(group: Group): void {
    for (const child of group.children) if (isGroup(child)) this.finish(child);
    group.children = this.cut(this.fold(group.children, group), group);
    this.adopt(group);
  }
  private adopt(group: Group): void {
    this.byId.set(group.id, group);
    group.entries = 0;
    for (const child of group.children) {
      if (isGroup(child)) {
        child.parent = group;
        if (!this.byId.has(child.id)) this.adopt(child);
        group.entries += child.entries;
      } else {
        this.parentOf.set(child, group);
        ++group.entries;
      }
    }
  }

  private signature(item: Item): string {
    if (!isGroup(item)) {
      const node = this.recording.node(item);
      return `${node.op}${node.shape}`;
    }
    return `${item.kind}${item.title}${item.subtitle}${item.children.length}`;
  }
  private fold(items: Item[], parent: Group): Item[] {
    const names = items.map((item) => this.signature(item));
    const result: Item[] = [];
    for (let i = 0; i < items.length;) {
      const { period, turns } = longestRun(names, i);
      const holdsModule = items.slice(i, i + period).some(isGroup);
      if (turns < kFewestTurns || (!holdsModule && period * turns < kFewestOperations)) {
        result.push(items[i++]!);
        continue;
      }
      const first = firstNode(items[i]!);
      const loop = make(`l${first}`, "loop", this.loopTitle(items.slice(i, i + period)), `×${turns}`, parent);
      for (let turn = 0; turn < turns; ++turn) {
        const part = items.slice(i + turn * period, i + (turn + 1) * period);
        const own = make(`t${first}.${turn}`, "turn", `${turn + 1}`, `/${turns}`, loop);
        own.children = part;
        own.turn = turn;
        loop.children.push(own);
      }
      result.push(loop);
      i += period * turns;
    }
    return result;
  }
  private loopTitle(items: Item[]): string {
    const names = items.map((item) => (isGroup(item) ? item.title : this.recording.name(item)));
    return names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")}, …`;
  }
  private cut(items: Item[], parent: Group): Item[] {
    while (items.length > kMostChildren) {
      const size = Math.max(Math.ceil(items.length / 40), 12);
      const parts: Item[] = [];
      for (let i = 0; i < items.length; i += size) {
        const children = items.slice(i, i + size);
        const [first, last] = [firstNode(children[0]!), lastNode(children.at(-1)!)];
        const part = make(`p${first}-${last}`, "part", `#${first} – #${last}`, "", parent);
        part.children = children;
        parts.push(part);
      }
      items = parts;
    }
    return items;
  }

  /** A leaf stands in the smallest group that holds all entries which use it; never in a single turn. */
  private placeLeaf(leaf: number): void {
    let path: readonly Group[] | undefined;
    for (const user of this.recording.consumers[leaf]!) {
      if (!this.parentOf.has(user)) continue;
      const own = this.path(this.group(user));
      path = path ? path.filter((group, i) => own[i] === group) : own;
    }
    const group = path?.at(-1) ?? this.root;
    const first = group.children.findIndex((child) => firstNode(child) > leaf || isGroup(child));
    group.children.splice(Math.max(first, 0), 0, leaf);
    this.parentOf.set(leaf, group);
  }
}

function make(id: string, kind: Group["kind"], title: string, subtitle: string, parent: Group | null): Group {
  return { id, kind, title, subtitle, parent, children: [], entries: 0, turn: -1 };
}
export function firstNode(item: Item): number {
  return isGroup(item) ? firstNode(item.children[0]!) : item;
}
function lastNode(item: Item): number {
  return isGroup(item) ? lastNode(item.children.at(-1)!) : item;
}
/** The run from `start` that covers the most items: names with a period that repeats. */
function longestRun(names: string[], start: number): { period: number; turns: number } {
  let best = { period: 1, turns: 1 };
  for (let period = 1; period <= kLongestPeriod && start + period * kFewestTurns <= names.length; ++period) {
    if (names[start] !== names[start + period]) continue;
    let end = start + period;
    while (end < names.length && names[end] === names[end - period]) ++end;
    const turns = Math.floor((end - start) / period);
    if (turns >= kFewestTurns && turns * period > best.turns * best.period) best = { period, turns };
  }
  return best;
}
