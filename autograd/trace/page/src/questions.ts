// Which questions can be asked about a tape, and a quiz by a seed. Read next: src/predict_panel.ts.
import { numel, type Contribution } from "./format.ts";
import { answerOf, factorAt, type Question, type QuestionKind } from "./mistakes.ts";
import { isElementwise } from "./ops/index.ts";
import type { Recording } from "./recording.ts";

/** The question of this kind about a node's gradient; undefined if there is none. */
export function questionAbout(
  recording: Recording,
  node: number,
  pass: number,
  kind: QuestionKind,
  pick: (n: number) => number,
): Question | undefined {
  const from = recording.contributionsTo(node, pass);
  if (from.length === 0 || !from.every((part) => recording.json(part.after).data && recording.json(part.raw).data))
    return undefined;
  if (kind === "factor") {
    const usable = from.filter(
      (part) => isElementwise(recording.node(part.from).op!) && incomingIsKnown(recording, part),
    );
    if (usable.length === 0) return undefined;
    const part = usable[pick(usable.length)]!;
    const question: Question = {
      kind,
      node,
      pass,
      element: pick(numel(recording.node(part.from).shape)),
      from: [part],
    };
    return Number.isFinite(factorAt(recording, part, question.element) ?? NaN) ? question : undefined;
  }
  const size = numel(recording.node(node).shape);
  if (size === 0 || (kind === "shape" && recording.node(node).shape.length === 0)) return undefined;
  if (kind === "number" && !from.every((part) => incomingIsKnown(recording, part))) return undefined;
  const question: Question = { kind, node, pass, element: pick(size), from };
  const answer = answerOf(recording, question);
  return typeof answer === "number" && !Number.isFinite(answer) ? undefined : question;
}
function incomingIsKnown(recording: Recording, part: Contribution): boolean {
  const { sum } = recording.gradient(part.from, part.pass, recording.moments.length - 1);
  return sum !== null && recording.tensor(sum).known;
}

/** Questions by a seed: the same seed gives the same sheet. */
export function makeQuiz(recording: Recording, seed: string, count = 8): Question[] {
  const random = generator(seed);
  const pick = (n: number) => Math.floor(random() * n);
  const candidates: Question[] = [];
  for (let pass = 0; pass < recording.passes; ++pass) {
    const nodes = new Set(
      recording.tape.steps.flatMap((step) => (step.kind === "contribution" && step.pass === pass ? [step.to] : [])),
    );
    for (const node of [...nodes].slice(0, 400)) {
      for (const kind of ["number", "shape", "factor"] as const) {
        const question = questionAbout(recording, node, pass, kind, pick);
        if (question && (kind !== "number" || isHandy(recording, question))) candidates.push(question);
      }
    }
  }
  const chosen: Question[] = [];
  const kinds: QuestionKind[] = ["number", "factor", "number", "shape", "number", "factor", "number", "number"];
  for (const kind of [...kinds, ...kinds]) {
    const left = candidates.filter(
      (each) =>
        each.kind === kind &&
        !chosen.includes(each) &&
        !chosen.some((other) => other.node === each.node && other.kind === kind),
    );
    // Gradients that are sums, or whose broadcasting was undone, teach most: ask for them first.
    const rich = left.filter((each) => each.from.length > 1 || each.from.some((part) => part.raw !== part.gradient));
    const pool = rich.length && random() < 0.6 ? rich : left;
    if (pool.length && chosen.length < count) chosen.push(pool[pick(pool.length)]!);
  }
  return chosen;
}
/** Small enough to be computed by hand. */
function isHandy(recording: Recording, question: Question): boolean {
  return (
    question.from.length <= 3 &&
    question.from.every((part) => {
      const node = recording.node(part.from);
      return (
        numel(node.shape) <= 12 &&
        (node.inputs ?? []).every((from) => from < 0 || numel(recording.node(from).shape) <= 12) &&
        !/rnn|lstm|gru|layer_norm/.test(node.op!)
      );
    })
  );
}
function generator(seed: string): () => number {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}
