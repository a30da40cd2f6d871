// Questions about gradients, and the usual mistakes: each wrong answer that a mistake would give is
// computed, so that the page can name the mistake. Read next: src/questions.ts.
import { numel, shapeText, type Contribution } from "./format.ts";
import { isElementwise, operations } from "./ops/index.ts";
import { indexOf } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { asDense, callOf, fitted, type Gradient } from "./replay.ts";
import { map, positions, sumTo, transpose, type Tensor } from "./tensor.ts";
import { t, type TextKey } from "./texts.ts";
import { nameOf, ruleText } from "./words.ts";

export type QuestionKind = "number" | "shape" | "factor";

export interface Question {
  kind: QuestionKind;
  node: number;
  pass: number;
  element: number; // of the node's gradient; for a factor, of the incoming gradient
  from: Contribution[]; // what the gradient is the sum of; for a factor, the one that is asked for
}
export interface Verdict {
  right: boolean;
  mistake?: string; // named, as a text
  key?: TextKey;
}

interface Guess {
  key: TextKey;
  value: number;
  values?: Record<string, string | number>;
}

export function questionText(recording: Recording, question: Question): string {
  const { node, kind, element, from } = question;
  const name = nameOf(recording, node);
  const shape = kind === "factor" ? recording.node(from[0]!.from).shape : recording.node(node).shape;
  const index = indexOf(element, shape);
  if (kind === "number") return t("askNumber", { name, index: index ? index : "" });
  if (kind === "shape") return t("askShape", { name });
  const sender = nameOf(recording, from[0]!.from);
  return index
    ? t("askFactorNoDy", { from: sender, name, index })
    : t("askFactor", { from: sender, name, dy: "dy", index: "" });
}

/** The correct answer: a number, or the sizes of a shape. */
export function answerOf(recording: Recording, question: Question): number | readonly number[] {
  if (question.kind === "shape") return recording.node(question.node).shape;
  if (question.kind === "factor") return factorAt(recording, question.from[0]!, question.element)!;
  return total(recording, question).data[question.element]!;
}
export function answerText(recording: Recording, question: Question, format: (x: number) => string): string {
  const answer = answerOf(recording, question);
  return typeof answer === "number" ? format(answer) : shapeText(answer);
}

export function check(recording: Recording, question: Question, given: number | readonly number[]): Verdict {
  if (typeof given !== "number") return checkShape(recording, question, given);
  const answer = answerOf(recording, question) as number;
  const close = (x: number) => Math.abs(given - x) <= tolerance(x, answer);
  if (close(answer)) return { right: true };
  const guesses =
    question.kind === "factor"
      ? factorGuesses(recording, question, answer)
      : numberGuesses(recording, question, answer);
  const guess = guesses.find(
    ({ value }) => Number.isFinite(value) && Math.abs(value - answer) > tolerance(value, answer) && close(value),
  );
  const key = guess?.key ?? "mistake_other";
  return {
    right: false,
    key,
    mistake: guess
      ? t(key, { name: nameOf(recording, question.node), ...guess.values })
      : withHint(recording, question),
  };
}
/** Three digits are enough. */
const tolerance = (x: number, answer: number) => Math.max(Math.abs(x) * 0.011, Math.abs(answer) * 1e-3, 1e-9);

function withHint(recording: Recording, question: Question): string {
  const first = question.from[0];
  const rule = first && ruleText(recording, first.from, first.input);
  return rule
    ? `${t("mistake_other")} ${t("hintFrom", { from: nameOf(recording, first.from), rule })}`
    : t("mistake_other");
}

// Numbers -----------------------------------------------------------------------------------------

function total(recording: Recording, question: Question): Tensor {
  return recording.tensor(question.from.at(-1)!.after);
}
function gradientOf(recording: Recording, part: Contribution): Tensor {
  return recording.tensor(part.gradient);
}
function incoming(recording: Recording, part: Contribution): Tensor {
  return recording.tensor(recording.gradient(part.from, part.pass, recording.moments.length - 1).sum!);
}
/** What the rule returns for another incoming gradient; undefined if the page does not know the rule. */
function ruleFor(recording: Recording, part: Contribution, dy: Tensor): Gradient | undefined {
  const node = recording.node(part.from);
  const seed = recording.moments.findIndex(({ step }) => step === part);
  const inputs = (node.inputs ?? []).map((from) =>
    from < 0 ? undefined : recording.tensor(recording.value(from, seed)),
  );
  try {
    return operations[node.op!]!.rule(
      callOf(recording, part.from, inputs),
      recording.tensor(node.value),
      dy,
      part.input,
    );
  } catch {
    return undefined;
  }
}
function localDerivative(recording: Recording, part: Contribution): Tensor | undefined {
  const ones = map(incoming(recording, part), () => 1);
  const local = ruleFor(recording, part, ones);
  const node = recording.node(part.to);
  return local && asDense(fitted(local, node.shape, "float64"));
}

function* numberGuessesOf(recording: Recording, question: Question, answer: number): Iterable<Guess> {
  const { from: parts, element, node } = question;
  const name = nameOf(recording, node);
  if (parts.length > 1) {
    for (const part of parts)
      yield { key: "mistake_notAdded", value: gradientOf(recording, part).data[element]!, values: { n: parts.length } };
  }
  for (const part of parts) {
    if (part.raw === part.gradient) continue;
    const raw = recording.tensor(part.raw);
    const sources = positions(recording.node(node).shape, raw.shape);
    const own = Array.from(raw.data).filter((_, i) => sources[i] === element);
    const values = { large: shapeText(raw.shape) };
    for (const each of new Set(own)) yield { key: "mistake_broadcast", value: each, values };
    yield { key: "mistake_broadcastMean", value: own.reduce((a, b) => a + b, 0) / own.length, values };
  }
  yield { key: "mistake_sign", value: -answer };
  for (const part of parts) {
    const rest = answer - gradientOf(recording, part).data[element]!;
    const sender = nameOf(recording, part.from);
    const local = localDerivative(recording, part);
    if (local) yield { key: "mistake_chainCut", value: rest + local.data[element]!, values: { from: sender } };
    if (local && parts.length > 1)
      yield { key: "mistake_chainCut", value: local.data[element]!, values: { from: sender } };
    const dy = incoming(recording, part);
    const unchanged = tryTensor(() =>
      numel(dy.shape) === 1 ? map(gradientOf(recording, part), () => dy.item()) : sumTo(dy, recording.node(node).shape),
    );
    if (unchanged)
      yield { key: "mistake_factorForgotten", value: rest + unchanged.data[element]!, values: { from: sender } };
  }
  const whole = total(recording, question);
  if (whole.dim === 2) {
    yield { key: "mistake_notTransposed", value: transpose(whole).data[element]! };
    const [rows, columns] = whole.shape as [number, number];
    const [r, c] = [Math.floor(element / columns), element % columns];
    if (c < rows && r < columns) yield { key: "mistake_notTransposed", value: whole.data[c * columns + r]! };
  }
  for (const factor of constants(recording, parts)) {
    yield { key: "mistake_factorConstant", value: answer / factor, values: { factor, name } };
    yield { key: "mistake_factorConstant", value: answer * factor, values: { factor, name } };
  }
}
function numberGuesses(recording: Recording, question: Question, answer: number): Guess[] {
  return [...numberGuessesOf(recording, question, answer)];
}
function tryTensor(compute: () => Tensor): Tensor | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}
/** Constant factors that a rule has: 2 of a square, n of a mean. */
function constants(recording: Recording, parts: Contribution[]): number[] {
  const found = new Set<number>([2]);
  for (const part of parts) {
    const node = recording.node(part.from);
    if (node.op === "mean") found.add(numel(recording.node(part.to).shape) / Math.max(numel(node.shape), 1));
    if (node.op === "cross_entropy") found.add(recording.node(part.to).shape[0]!);
  }
  return [...found].filter((factor) => factor !== 1);
}

// Factors -----------------------------------------------------------------------------------------

/** raw / dy at one element of an elementwise operation; undefined for other operations. */
export function factorAt(recording: Recording, part: Contribution, element: number): number | undefined {
  if (!isElementwise(recording.node(part.from).op!)) return undefined;
  const ones = map(incoming(recording, part), () => 1);
  const local = ruleFor(recording, part, ones);
  return local && asDense(local).data[element];
}
function factorGuesses(recording: Recording, question: Question, answer: number): Guess[] {
  const part = question.from[0]!;
  const dy = incoming(recording, part).data[question.element]!;
  const y = recording.tensor(recording.node(part.from).value).data[question.element]!;
  const from = nameOf(recording, part.from);
  return [
    { key: "mistake_sign", value: -answer },
    { key: "mistake_product", value: dy * answer },
    { key: "mistake_value", value: y },
    { key: "mistake_factorForgotten", value: 1, values: { from } },
    { key: "mistake_factorForgotten", value: dy, values: { from } },
    ...[2, 0.5].map((factor): Guess => ({
      key: "mistake_factorConstant",
      value: answer * factor,
      values: { factor: 2 },
    })),
  ];
}

// Shapes ------------------------------------------------------------------------------------------

function checkShape(recording: Recording, question: Question, given: readonly number[]): Verdict {
  const answer = recording.node(question.node).shape;
  const equal = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length && a.every((size, d) => size === b[d]);
  const name = nameOf(recording, question.node);
  if (equal(given, answer)) return { right: true };
  const wrong = (key: TextKey, values = {}): Verdict => ({ right: false, key, mistake: t(key, { name, ...values }) });
  if (equal(given, [...answer].reverse())) return wrong("mistake_notTransposedShape");
  for (const part of question.from) {
    const raw = recording.json(part.raw).shape;
    if (part.raw !== part.gradient && equal(given, raw)) return wrong("mistake_broadcast", { large: shapeText(raw) });
    if (equal(given, recording.node(part.from).shape))
      return wrong("mistake_chainCut", { from: nameOf(recording, part.from) });
  }
  return wrong("mistake_other");
}
