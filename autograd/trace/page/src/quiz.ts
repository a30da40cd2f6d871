// The quiz: a sheet of questions by a seed, with an answer key. Read next: src/compare_panel.ts.
import { h } from "./dom.ts";
import { answerText, questionText } from "./mistakes.ts";
import { makeQuiz } from "./questions.ts";
import { format } from "./numbers.ts";
import { QuestionView } from "./predict_panel.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";

export interface QuizActions {
  leave(): void;
  start(seed: string): void;
}

export function drawQuiz(recording: Recording, seed: string, actions: QuizActions): HTMLElement {
  const questions = makeQuiz(recording, seed);
  const results = new Map<number, boolean>();
  const score = h("p", { class: "score", role: "status" });
  const showScore = () =>
    (score.textContent = t("quizScore", {
      right: [...results.values()].filter(Boolean).length,
      all: questions.length,
    }));
  const items = questions.map((question, i) => {
    const view = new QuestionView(recording, question, `quiz-${i}`, (right) => {
      if (!results.has(i)) results.set(i, right);
      showScore();
    });
    return h("li", {}, h("h2", {}, t("question", { n: i + 1 })), view.element);
  });
  const key = h(
    "ol",
    { class: "key", hidden: true },
    ...questions.map((question) =>
      h("li", {}, `${questionText(recording, question)} `, h("strong", {}, answerText(recording, question, format))),
    ),
  );
  const toggle = h("button", { type: "button", "aria-expanded": "false" }, t("showKey"));
  toggle.addEventListener("click", () => {
    key.hidden = !key.hidden;
    toggle.textContent = t(key.hidden ? "showKey" : "hideKey");
    toggle.setAttribute("aria-expanded", String(!key.hidden));
  });
  const input = h("input", { type: "text", id: "seed", value: seed, size: 8 });
  const form = h(
    "form",
    { class: "answer no-print" },
    h("label", { for: "seed" }, t("seed")),
    input,
    h("button", { type: "submit" }, t("newQuiz")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    actions.start(input.value === seed ? `${seed}1` : input.value || "1");
  });
  showScore();
  return h(
    "article",
    { class: "quiz" },
    h(
      "p",
      { class: "no-print" },
      h("button", { type: "button", class: "link", onclick: () => actions.leave() }, `← ${t("backToTape")}`),
    ),
    h("h1", {}, t("quizTitle", { seed })),
    h("p", { class: "words" }, questions.length ? t("quizIntro") : t("quizNone")),
    h("ol", { class: "questions" }, ...items),
    score,
    h("p", { class: "no-print" }, toggle, " ", h("button", { type: "button", onclick: () => print() }, t("print"))),
    key,
    form,
  );
}
