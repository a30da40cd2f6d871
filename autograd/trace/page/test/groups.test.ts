// Groups, loops and what is open at first. Read next: test/browser.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Groups, isGroup, type Group } from "../src/groups.ts";
import { Layout } from "../src/layout.ts";
import { openByThemselves } from "../src/opening.ts";
import { Recording } from "../src/recording.ts";
import { disagreeing, shapesIn } from "../src/error_panel.ts";
import { long, rnn, samples } from "./samples.ts";

function groupsOf(recording: Recording): Groups {
  return new Groups(recording, 0, recording.moments.length - 1);
}
function opened(groups: Groups, turns: [string, number][] = []) {
  const open = new Set(openByThemselves(groups));
  for (const group of groups.byId.values()) if (group.kind === "turn") open.add(group.id);
  return { groups: open, turns: new Map(turns) };
}

test("a cell that is called 40 times is one loop of 40 turns", () => {
  const groups = groupsOf(new Recording(rnn()));
  const loops = [...groups.byId.values()].filter(({ kind }) => kind === "loop");
  assert.equal(loops.length, 1);
  assert.equal(loops[0]!.subtitle, "×40");
  assert.equal(loops[0]!.children.filter(isGroup).length, 40);
  const leaves = loops[0]!.children.filter((child) => !isGroup(child));
  assert.equal(leaves.length, 4, "the four parameters of the cell stand in the loop, once");
});
test("with one turn shown, the network of 40 steps has few boxes", () => {
  const recording = new Recording(rnn());
  const groups = groupsOf(recording);
  const loop = [...groups.byId.values()].find(({ kind }) => kind === "loop")!;
  const picture = new Layout(recording, groups, opened(groups, [[loop.id, 17]])).picture([]);
  assert.ok(picture.boxes.length < 25, `${picture.boxes.length} boxes`);
  const cells = recording.tape.nodes.flatMap((node, id) => (node.op === "rnn_cell" ? [id] : []));
  assert.equal(picture.boxOf(cells[17]!)!.key, `n${cells[17]}`);
  assert.equal(picture.boxOf(cells[3]!)!.before, true);
  assert.equal(picture.boxOf(cells[30]!)!.after, true);
});
test("every node is in the picture, in its own box or in that of a closed group", () => {
  for (const make of Object.values(samples)) {
    const recording = new Recording(make());
    const groups = groupsOf(recording);
    const picture = new Layout(recording, groups, opened(groups)).picture([]);
    recording.tape.nodes.forEach(
      (_, id) => groups.has(id) && assert.ok(picture.boxOf(id), `${recording.tape.title}: node ${id}`),
    );
    for (const { x, y, width, height } of picture.boxes)
      assert.ok(x >= -1 && y >= -1 && x + width <= picture.width + 1 && y + height <= picture.height + 1);
  }
});
test("boxes of one group do not overlap", () => {
  const recording = new Recording(samples.mlp!());
  const groups = groupsOf(recording);
  const { boxes } = new Layout(recording, groups, opened(groups)).picture([]);
  for (const a of boxes) {
    for (const b of boxes) {
      if (a === b || a.open || b.open) continue;
      const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
      assert.ok(apart, `${a.key} and ${b.key}`);
    }
  }
});
test("20,000 entries are laid out in parts, in less than two seconds", () => {
  const recording = new Recording(long());
  const start = performance.now();
  const groups = groupsOf(recording);
  const picture = new Layout(recording, groups, opened(groups)).picture([]);
  assert.ok(picture.boxes.length < 100, `${picture.boxes.length} boxes`);
  assert.ok(performance.now() - start < 2000, `${performance.now() - start} ms`);
  const all = (group: Group): number =>
    group.children.reduce<number>((sum, child) => sum + (isGroup(child) ? all(child) : 1), 0);
  assert.equal(all(groups.root), recording.tape.nodes.length);
});

test("sizes that disagree are found", () => {
  assert.deepEqual(
    disagreeing("matmul", [
      [4, 5],
      [2, 5],
    ]),
    [[1], [0]],
  );
  assert.deepEqual(
    disagreeing("matmul", [
      [4, 5],
      [5, 2],
    ]),
    [[], []],
  );
  assert.deepEqual(
    disagreeing("add", [
      [4, 5],
      [4, 1],
    ]),
    [[], []],
  );
  assert.deepEqual(
    disagreeing("add", [
      [4, 5],
      [3, 5],
    ]),
    [[0], [0]],
  );
  assert.deepEqual(
    disagreeing("linear", [
      [4, 5],
      [2, 6],
    ]),
    [[1], [1]],
  );
  assert.deepEqual(shapesIn("matmul: inner sizes differ: (4, 5) x (2, 5); did you mean transpose(b)?"), [
    [4, 5],
    [2, 5],
  ]);
});
