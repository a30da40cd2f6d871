// Questions and the mistakes that the page names, on tapes whose gradients are known.
// Read next: test/groups.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, check, type Question, type QuestionKind } from "../src/mistakes.ts";
import { makeQuiz, questionAbout } from "../src/questions.ts";
import { parseNumber, parseShape } from "../src/numbers.ts";
import { Recording } from "../src/recording.ts";
import { Recorder } from "./recorder.ts";
import { samples } from "./samples.ts";

function ask(recording: Recording, name: string, kind: QuestionKind, element = 0): Question {
  const node = recording.tape.nodes.findIndex((each) => each.name === name || each.op === name);
  const question = questionAbout(recording, node, 0, kind, () => element);
  assert.ok(question, `no question about ${name}`);
  return question;
}
const named = (recording: Recording, question: Question, answer: number | number[]) =>
  check(recording, question, answer).key;

/** loss = mean(square(x w + b)); x = [[1, 2], [3, 4], [6, 7]], w = [[0.5, -1], [2, 1]], b = [0.25, -0.5]. */
function layer(): Recording {
  const r = new Recorder("layer", "float64");
  const x = r.leaf("data", "x", [3, 2], [1, 2, 3, 4, 6, 7]);
  const [w, b] = [r.leaf("parameter", "w", [2, 2], [0.5, -1, 2, 1]), r.leaf("parameter", "b", [2], [0.25, -0.5])];
  const y = r.op("add", [r.op("matmul", [x, w], [3, 2]), b], [3, 2]);
  r.backward(r.op("mean", [r.op("square", [y], [3, 2])], []));
  return new Recording(r.tape);
}
/** loss = (a b) a: a is used twice. */
function twice(): Recording {
  const r = new Recorder("twice", "float64");
  const [a, b] = [r.leaf("parameter", "a", [], [3]), r.leaf("parameter", "b", [], [-2])];
  r.backward(r.op("mul", [r.op("mul", [a, b], []), a], []));
  return new Recording(r.tape);
}

test("not added up", () => {
  const recording = twice();
  const question = ask(recording, "a", "number"); // d(a) = 2 a b = -12, from two contributions of -6
  assert.equal(answerOf(recording, question), -12);
  assert.ok(check(recording, question, -12).right);
  assert.ok(check(recording, question, -12.01).right);
  assert.equal(named(recording, question, -6), "mistake_notAdded");
  assert.match(check(recording, question, -6).mistake!, /used 2 times/);
});
test("sign", () => {
  const recording = twice();
  assert.equal(named(recording, ask(recording, "a", "number"), 12), "mistake_sign");
  assert.equal(named(recording, ask(recording, "b", "number"), -9), "mistake_sign");
});
test("not transposed", () => {
  const recording = layer();
  const question = ask(recording, "w", "number", 1); // d(w)[0, 1]
  const whole = recording.tensor(question.from.at(-1)!.after).data;
  assert.equal(named(recording, question, whole[2]!), "mistake_notTransposed");
});
test("broadcast not summed", () => {
  const recording = layer();
  const question = ask(recording, "b", "number", 0);
  const raw = recording.tensor(question.from[0]!.raw).data; // (3, 2)
  assert.ok(check(recording, question, raw[0]! + raw[2]! + raw[4]!).right);
  assert.equal(named(recording, question, raw[2]!), "mistake_broadcast");
  assert.equal(named(recording, question, (raw[0]! + raw[2]! + raw[4]!) / 3), "mistake_broadcastMean");
});
test("chain cut and factor forgotten", () => {
  const recording = layer();
  const y = recording.tensor(recording.node(recording.tape.nodes.findIndex(({ op }) => op === "add")).value).data[0]!;
  const question = ask(recording, "add", "number", 0); // dy = 1/6, d = 2 y / 6
  assert.ok(check(recording, question, (2 * y) / 6).right);
  assert.equal(named(recording, question, 2 * y), "mistake_chainCut");
  assert.equal(named(recording, question, 1 / 6), "mistake_factorForgotten");
  assert.equal(named(recording, question, y / 6), "mistake_factorConstant");
});
test("factors", () => {
  const recording = layer();
  const question = ask(recording, "add", "factor", 0); // square: 2 y
  const y = recording.tensor(recording.node(question.node).value).data[0]!;
  assert.ok(check(recording, question, 2 * y).right);
  assert.equal(named(recording, question, (2 * y) / 6), "mistake_product");
  assert.equal(named(recording, question, -2 * y), "mistake_sign");
  assert.equal(named(recording, question, y), "mistake_factorConstant");
  assert.equal(named(recording, question, 1), "mistake_factorForgotten");
});
test("shapes", () => {
  const recording = new Recording(samples.primitives!());
  const w = ask(recording, "w", "shape"); // (2, 4)
  assert.ok(check(recording, w, [2, 4]).right);
  assert.equal(named(recording, w, [4, 2]), "mistake_notTransposedShape");
  assert.equal(named(recording, w, [3, 4]), "mistake_chainCut");
  const b = ask(recording, "b", "shape");
  assert.equal(named(recording, b, [3, 4]), "mistake_broadcast");
  assert.equal(named(recording, b, [9]), "mistake_other");
});
test("a wrong answer of no known kind gets the rule as a hint", () => {
  const recording = twice();
  const { right, mistake } = check(recording, ask(recording, "b", "number"), 1234);
  assert.ok(!right);
  assert.match(mistake!, /rule/);
});

test("the same seed gives the same questions, another seed others", () => {
  for (const name of ["scalar", "mlp", "primitives", "rnn", "bag", "twice"]) {
    const recording = new Recording(samples[name]!());
    const [a, b, c] = ["7", "7", "8"].map((seed) =>
      JSON.stringify(makeQuiz(recording, seed).map(({ kind, node, element }) => [kind, node, element])),
    );
    assert.equal(a, b, name);
    assert.notEqual(a, c, name);
  }
});
test("every question of a quiz accepts its own answer, also with three digits", () => {
  for (const [name, make] of Object.entries(samples)) {
    const recording = new Recording(make());
    for (const question of makeQuiz(recording, "1")) {
      const answer = answerOf(recording, question);
      const given = typeof answer === "number" ? Number(answer.toPrecision(3)) : answer;
      assert.ok(check(recording, question, given).right, `${name}: ${question.kind} of node ${question.node}`);
    }
  }
});
test("a program that failed has no questions", () => {
  assert.deepEqual(makeQuiz(new Recording(samples.failing!()), "1"), []);
});

test("numbers and shapes as learners write them", () => {
  for (const [text, value] of [
    ["0.5", 0.5],
    ["−2", -2],
    ["3/4", 0.75],
    [" 1e-3 ", 0.001],
    ["0,5", 0.5],
  ] as const)
    assert.equal(parseNumber(text), value);
  for (const text of ["", "x", "1/", "1 2"]) assert.ok(Number.isNaN(parseNumber(text)), text);
  for (const text of ["(3, 4)", "3x4", "[3,4]", "3 4", "(3, 4,)"]) assert.deepEqual(parseShape(text), [3, 4]);
  assert.deepEqual(parseShape("()"), []);
  for (const text of ["", "a", "3.5"]) assert.equal(parseShape(text), undefined, text);
});
