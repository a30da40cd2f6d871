// Predict: the learner answers a question before the gradient is shown. Read next: src/quiz.ts.
import { h } from "./dom.ts";
import { shapeText, type Contribution } from "./format.ts";
import { formulas } from "./formulas.ts";
import { answerText, check, questionText, type Question, type QuestionKind } from "./mistakes.ts";
import { questionAbout } from "./questions.ts";
import { format, parseNumber, parseShape } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";
import { tensorView } from "./values.ts";
import { argumentName, constantsOf, nameOf, type Hidden } from "./words.ts";

export interface PredictActions {
  hide(hidden: Hidden | null): void;
}

/** A question with its field; says whether the answer is right, and names the mistake. */
export class QuestionView {
  readonly element: HTMLElement;
  private readonly verdict = h("p", { class: "verdict", role: "status" });

  constructor(
    private readonly recording: Recording,
    readonly question: Question,
    id: string,
    private readonly done: (right: boolean) => void,
  ) {
    const input = h("input", {
      type: "text",
      id,
      autocomplete: "off",
      autocapitalize: "off",
      inputmode: question.kind === "shape" ? "text" : "decimal",
    });
    const form = h(
      "form",
      { class: "answer" },
      h("label", { for: id }, t("yourAnswer")),
      input,
      h("button", { type: "submit", class: "primary" }, t("check")),
      h("button", { type: "button", class: "link", onclick: () => this.reveal() }, t("reveal")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer(input.value);
    });
    this.element = h(
      "div",
      { class: "question" },
      h("p", { class: "asked" }, questionText(recording, question)),
      known(recording, question),
      form,
      this.verdict,
    );
  }

  answer(text: string): void {
    const given = this.question.kind === "shape" ? parseShape(text) : parseNumber(text);
    if (given === undefined || Number.isNaN(given))
      return this.say(t(this.question.kind === "shape" ? "notAShape" : "notANumber"), "");
    const { right, mistake } = check(this.recording, this.question, given);
    this.say(right ? `${t("correct")} ${t("revealed", { answer: this.text() })}` : mistake!, right ? "good" : "bad");
    this.done(right);
  }
  private reveal(): void {
    this.say(t("revealed", { answer: this.text() }), "");
    this.done(true);
  }
  private text(): string {
    return answerText(this.recording, this.question, format);
  }
  private say(text: string, kind: string): void {
    this.verdict.className = `verdict ${kind}`;
    this.verdict.textContent = text;
  }
}

/** What the learner needs: each sender's formula, its incoming gradient and the values it has seen. */
function known(recording: Recording, question: Question): HTMLElement {
  const parts = question.from.slice(0, 4).map((part) => {
    const node = recording.node(part.from);
    const end = recording.moments.findIndex(({ step }) => step === part);
    const term = (label: string, index: number, kind: "value" | "gradient") =>
      h(
        "div",
        { class: "term" },
        h("div", { class: "term-label" }, label),
        tensorView(recording.json(index), { name: label, kind, compact: true }),
      );
    const dy = recording.gradient(part.from, part.pass, recording.moments.length - 1).sum!;
    const inputs = (node.inputs ?? []).flatMap((from, i) =>
      from < 0
        ? []
        : [
            term(
              `${argumentName(recording, part.from, i)} = ${nameOf(recording, from)}`,
              recording.value(from, end),
              "value",
            ),
          ],
    );
    const shapesOnly = question.kind === "shape";
    const constants = constantsOf(recording, part.from).map(([name, tensor]) => term(name, tensor, "value"));
    const given = shapesOnly
      ? []
      : [...inputs, ...constants, term("y", node.value, "value"), term("dy", dy, "gradient")];
    const attributes = Object.entries(node.attributes ?? {})
      .filter(([, value]) => value !== null && typeof value !== "object")
      .map(([name, value]) => `${name} = ${value}`)
      .join(",  ");
    return h(
      "div",
      { class: "known" },
      h(
        "p",
        {},
        h("strong", {}, nameOf(recording, part.from)),
        "  ",
        h("span", { class: "formula inline" }, formulas[node.op!]?.forward ?? ""),
        attributes ? h("span", { class: "attributes" }, `  ${attributes}`) : null,
      ),
      shapesOnly ? h("p", { class: "attributes" }, shapesAround(recording, part, question.node)) : null,
      given.length ? h("div", { class: "equation" }, ...given) : null,
    );
  });
  return h("div", { class: "given" }, h("h3", {}, t("given")), ...parts);
}

/** The shapes of the result and of the other inputs. */
function shapesAround(recording: Recording, part: Contribution, asked: number): string {
  const node = recording.node(part.from);
  const others = (node.inputs ?? []).flatMap((from, i) =>
    from < 0 || from === asked
      ? []
      : [`${argumentName(recording, part.from, i)}: ${shapeText(recording.node(from).shape)}`],
  );
  return [...others, `y: ${shapeText(node.shape)}`].join(",  ");
}

export class PredictPanel {
  private view: QuestionView | undefined;
  private count = 0;

  constructor(
    private readonly recording: Recording,
    private readonly suggested: number | null,
    private readonly actions: PredictActions,
  ) {}

  /** The nodes that get a gradient, in the order in which it is complete. */
  private nodes(pass: number): number[] {
    const seen = new Set<number>();
    for (const step of this.recording.tape.steps)
      if (step.kind === "contribution" && step.pass === pass) seen.add(step.to);
    return [...seen].slice(0, 500);
  }

  draw(): HTMLElement[] {
    const { recording } = this;
    if (recording.passes === 0) return [h("p", { class: "words" }, t("predictNone"))];
    const entry = h("select", { id: "predict-entry" });
    for (let pass = 0; pass < recording.passes; ++pass) {
      for (const node of this.nodes(pass)) {
        const label =
          recording.passes > 1 ? `${nameOf(recording, node)}, ${t("pass", { n: pass + 1 })}` : nameOf(recording, node);
        entry.append(h("option", { value: `${node}:${pass}`, selected: node === this.suggested && pass === 0 }, label));
      }
    }
    const kind = h("select", { id: "predict-kind" });
    const kinds: [QuestionKind, string][] = [
      ["number", t("kindNumber")],
      ["shape", t("kindShape")],
      ["factor", t("kindFactor")],
    ];
    const refresh = () => {
      const [node, pass] = entry.value.split(":").map(Number) as [number, number];
      const possible = kinds.filter(([each]) => questionAbout(recording, node, pass, each, () => 0));
      kind.replaceChildren(...possible.map(([each, label]) => h("option", { value: each }, label)));
    };
    entry.addEventListener("change", refresh);
    refresh();
    const place = h("div", { class: "place" });
    const form = h(
      "form",
      { class: "fields" },
      h("p", { class: "field" }, h("label", { for: "predict-entry" }, t("predictEntry")), entry),
      h("p", { class: "field" }, h("label", { for: "predict-kind" }, t("predictKind")), kind),
      h("button", { type: "submit", class: "primary" }, t("start")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [node, pass] = entry.value.split(":").map(Number) as [number, number];
      this.ask(node, pass, kind.value as QuestionKind, place);
    });
    return [
      h(
        "div",
        { class: "main wide" },
        h("h2", {}, t("panelPredict")),
        h("p", { class: "words" }, t("predictIntro")),
        form,
        place,
      ),
    ];
  }
  private ask(node: number, pass: number, kind: QuestionKind, place: HTMLElement): void {
    const number = this.count++;
    const question = questionAbout(this.recording, node, pass, kind, (n) => (number * 7 + 1) % n);
    if (!question) return;
    this.actions.hide({ node, pass });
    this.view = new QuestionView(
      this.recording,
      question,
      "predict-answer",
      (right) => right && this.actions.hide(null),
    );
    place.replaceChildren(this.view.element);
    place.querySelector<HTMLInputElement>("input")!.focus();
  }
}
