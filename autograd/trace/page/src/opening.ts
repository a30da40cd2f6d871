// Which groups are open at first: as many as keep the picture readable. Read next: src/progress.ts.
import { isGroup, type Group, type Groups } from "./groups.ts";

const kMostBoxes = 36;

/** How many boxes an open group shows; a loop shows one of its turns. */
function boxesOf(group: Group): number {
  if (group.kind !== "loop") return group.children.length;
  const turn = group.children.find(isGroup);
  return group.children.filter((child) => !isGroup(child)).length + 2 + (turn ? turn.children.length : 0);
}

export function openByThemselves(groups: Groups): ReadonlySet<string> {
  const open = new Set<string>();
  let boxes = groups.root.children.length;
  // What stands at the same place of different turns is opened together, and counts once.
  let level = together(groups.root.children);
  while (level.length > 0) {
    const next: Group[][] = [];
    for (const alike of level) {
      const first = alike[0]!;
      const more = boxesOf(first);
      if (first.kind === "part" || boxes + more > kMostBoxes) continue;
      for (const group of alike) open.add(group.id);
      boxes += more;
      const places =
        first.kind === "loop" ? (first.children.find(isGroup)?.children.length ?? 0) : first.children.length;
      const bodies = alike.flatMap((group) => (group.kind === "loop" ? group.children.filter(isGroup) : [group]));
      for (let place = 0; place < places; ++place) {
        const inner = bodies
          .map((body) => body.children[place])
          .filter((child): child is Group => child !== undefined && isGroup(child));
        if (inner.length > 0) next.push(inner);
      }
    }
    level = next;
  }
  return open;
}
function together(children: Group["children"]): Group[][] {
  return children.filter(isGroup).map((group) => [group]);
}
