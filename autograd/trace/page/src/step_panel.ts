// The panel of the current step: what happens in it, in words, formulas and elements. Read next:
// src/error_panel.ts.
import { h } from "./dom.ts";
import { drawError } from "./error_panel.ts";
import { shapeText, type Contribution, type Update } from "./format.ts";
import { formulas } from "./formulas.ts";
import { formatBytes } from "./numbers.ts";
import { knownOptimizers } from "./optimizers.ts";
import { sub } from "./tensor.ts";
import { toJson } from "./replay.ts";
import { StepParts } from "./step_parts.ts";
import { t } from "./texts.ts";
import { hiddenView, noneYet, tensorView } from "./values.ts";
import { argumentName, explanation, heading, nameOf, phaseOf, ruleText } from "./words.ts";

export class StepPanel extends StepParts {
  /** The words and the rule, and beside them the sum and what else belongs to the step. */
  draw(): HTMLElement[] {
    const all = this.parts();
    const beside = all.filter((part) => part.matches(".sum, .aside"));
    const main = all.filter((part) => !beside.includes(part));
    return beside.length
      ? [h("div", { class: "main" }, ...main), h("div", { class: "beside" }, ...beside)]
      : [h("div", { class: "main wide" }, ...main)];
  }
  private parts(): HTMLElement[] {
    const { recording, at } = this;
    const { step } = recording.moments[at]!;
    const phase = phaseOf(recording, at);
    const pass = "pass" in step && recording.passes > 1 ? `, ${t("pass", { n: step.pass + 1 })}` : "";
    const phaseName = t(
      phase === "forward"
        ? "phaseForward"
        : phase === "backward"
          ? "phaseBackward"
          : phase === "update"
            ? "phaseUpdate"
            : phase === "error"
              ? "phaseError"
              : "phaseSnapshot",
    );
    const second = "pass" in step && recording.layer(step.pass) > 0 ? "second" : "";
    const head = [
      h("p", { class: `eyebrow ${phase} ${second}` }, `${phaseName}${pass}`),
      h("h2", {}, heading(recording, at)),
    ];
    const words = explanation(recording, at, this.hidden);
    if (words && step.kind !== "error" && step.kind !== "contribution") head.push(h("p", { class: "words" }, words));
    const { step: here } = recording.moments[at]!;
    switch (here.kind) {
      case "forward":
        return [...head, ...this.forward(here.node), ...this.foot(here.node)];
      case "seed":
      case "fire":
        return [...head, ...this.complete(here.node, here.pass, here.gradient), ...this.foot(here.node)];
      case "contribution":
        return [...head, ...this.contribution(here), ...this.foot(here.from)];
      case "release":
        return [...head, ...this.keeps(here.node), ...this.foot(here.node)];
      case "leaf":
        return [
          ...head,
          this.sum(
            here.before,
            this.part(here.node, here.pass),
            here.after,
            nameOf(recording, here.node),
            this.isHidden(here.node, here.pass),
            t("grad"),
          ),
          ...this.foot(here.node),
        ];
      case "update":
        return [...head, ...this.update(here), ...this.foot(here.node)];
      case "error":
        return [...head, ...drawError(recording, here)];
      default:
        return head;
    }
  }

  private forward(id: number): HTMLElement[] {
    const { recording } = this;
    const node = recording.node(id);
    const terms: HTMLElement[] = [];
    (node.inputs ?? []).forEach((from, i) => {
      if (from >= 0)
        terms.push(
          this.term(
            `${argumentName(recording, id, i)} = ${nameOf(recording, from)}`,
            this.tensor(recording.value(from, this.at), nameOf(recording, from), "value", from),
          ),
        );
    });
    terms.push(...this.scalars(id, () => true), ...this.constants(id));
    const attributes = Object.entries(node.attributes ?? {}).filter(
      ([name, value]) =>
        !["input", "other", "exponent"].includes(name) &&
        (value === null || typeof value !== "object" || Array.isArray(value)),
    );
    return [
      this.formulaLine(formulas[node.op!]?.forward),
      ...(attributes.length
        ? [
            h(
              "p",
              { class: "attributes" },
              attributes
                .map(([name, value]) => `${name} = ${Array.isArray(value) ? shapeText(value) : value}`)
                .join(",  "),
            ),
          ]
        : []),
      h(
        "div",
        { class: "equation" },
        ...terms,
        this.sign("→", this.term("y", this.tensor(node.value, nameOf(recording, id), "value", id), "result")),
      ),
      ...this.keeps(id),
    ];
  }
  private keeps(id: number): HTMLElement[] {
    const { step } = this.recording.moments[this.at]!;
    const { keeps } = this.recording.node(id);
    const bytes =
      "bytes" in step && step.bytes !== undefined && step.kind === "forward"
        ? ` ${t("sayHolds", { bytes: formatBytes(step.bytes) })}`
        : "";
    if (!keeps) return bytes ? [h("p", { class: "soft" }, bytes.trim())] : [];
    const names = [...new Set(keeps)].map((each) => nameOf(this.recording, each)).join(", ");
    return [h("p", { class: "soft" }, (keeps.length ? t("sayKeeps", { names }) : t("sayKeepsNothing")) + bytes)];
  }
  private complete(id: number, pass: number, gradient: number): HTMLElement[] {
    const { recording } = this;
    const name = nameOf(recording, id);
    const shown = this.isHidden(id, pass) ? hiddenView() : this.tensor(gradient, name, "gradient", id);
    const own = recording.contributionsTo(id, pass);
    const list =
      own.length > 1 && !this.isHidden(id, pass)
        ? h(
            "ul",
            { class: "plain" },
            ...own.map((each) =>
              h(
                "li",
                {},
                `+ ${t("fromInput", { name: nameOf(recording, each.from), input: argumentName(recording, each.from, each.input) })}`,
              ),
            ),
          )
        : null;
    return [h("div", { class: "equation" }, this.term("dy", shown, "result")), ...(list ? [list] : [])];
  }
  /** The gradient of this pass, before grad() grew. */
  private part(node: number, pass: number): number {
    return this.recording.gradient(node, pass, this.at).sum!;
  }

  private contribution(step: Contribution): HTMLElement[] {
    const { recording } = this;
    const { part } = recording.moments[this.at]!;
    const hidden = this.isHidden(step.to, step.pass);
    const argument = argumentName(recording, step.from, step.input);
    const name = nameOf(recording, step.to);
    if (part === "undo") {
      return [
        h("p", { class: "words" }, explanation(recording, this.at, this.hidden)),
        h(
          "div",
          { class: "equation" },
          this.term(t("raw"), hidden ? hiddenView() : this.tensor(step.raw, name, "gradient")),
          this.sign(
            "→",
            this.term(t("undone"), hidden ? hiddenView() : this.tensor(step.gradient, name, "gradient"), "result"),
          ),
        ),
        this.sum(step.before, step.gradient, step.after, name, hidden),
      ];
    }
    const rule = ruleText(recording, step.from, step.input);
    const dy = recording.gradient(step.from, step.pass, this.at).sum!;
    const known = this.isHidden(step.from, step.pass)
      ? hiddenView()
      : this.tensor(dy, nameOf(recording, step.from), "gradient", step.from);
    const parts = [
      this.formulaLine(formulas[recording.node(step.from).op!]?.forward),
      this.formulaLine(rule, true),
      h(
        "div",
        { class: "equation" },
        this.term("dy", known),
        ...this.factors(step, rule),
        this.sign(
          "→",
          this.term(`d${argument}`, hidden ? hiddenView() : this.tensor(step.raw, name, "gradient"), "result"),
        ),
      ),
    ];
    const { raw } = step;
    if (part === "rule" && shapeText(recording.json(raw).shape) !== shapeText(recording.node(step.to).shape)) {
      parts.push(
        h(
          "p",
          { class: "words" },
          t("sayWide", {
            large: shapeText(recording.json(raw).shape),
            small: shapeText(recording.node(step.to).shape),
            to: name,
          }),
        ),
      );
    }
    if (part === "whole") parts.push(this.sum(step.before, step.gradient, step.after, name, hidden));
    return parts;
  }
  /** before + contribution = after: the sum that learners forget. */
  private sum(
    before: number | null,
    gradient: number,
    after: number,
    name: string,
    hidden: boolean,
    label = "",
  ): HTMLElement {
    const { step } = this.recording.moments[this.at]!;
    const title = label ? `${name}.${label}` : `d(${name})`;
    const node = step.kind === "contribution" ? step.to : step.kind === "leaf" ? step.node : undefined;
    const show = (index: number) => (hidden ? hiddenView() : this.tensor(index, name, "gradient", node));
    const words = step.kind === "contribution" ? (before === null ? t("sayFirst") : t("sayAdded")) : "";
    const { part } = this.recording.moments[this.at]!;
    return h(
      "section",
      { class: `sum ${before === null ? "first" : "added"}` },
      h("h3", {}, `${title} += `),
      words && part !== "undo" ? h("p", { class: "words" }, words) : null,
      h(
        "div",
        { class: "equation" },
        this.term(t("before"), before === null ? noneYet() : show(before)),
        this.sign("+", this.term(t("contribution"), show(gradient))),
        this.sign("=", this.term(label ? t("after") : t("sumAfter"), show(after), "result")),
      ),
    );
  }

  private update(step: Update): HTMLElement[] {
    const { recording } = this;
    const name = nameOf(recording, step.node);
    const [before, after] = [recording.json(step.before), recording.json(step.after)];
    const change =
      before.data && after.data ? toJson(sub(recording.tensor(step.after), recording.tensor(step.before))) : undefined;
    const input = h("input", { type: "number", step: "any", value: step.lr, id: "rate" });
    input.addEventListener(
      "change",
      () => Number.isFinite(Number(input.value)) && input.value !== "" && this.actions.setRate(Number(input.value)),
    );
    const parts = Object.entries(step.parts ?? {}).map(([part, index]) =>
      this.term(part, this.tensor(index, part, "gradient")),
    );
    return [
      h("p", { class: "field" }, h("label", { for: "rate" }, t("learningRate")), input),
      h(
        "div",
        { class: "equation" },
        this.term(t("before"), this.tensor(step.before, name, "value", step.node)),
        change
          ? this.sign("+", this.term(t("change"), tensorView(change, { name: t("change"), kind: "gradient" })))
          : null,
        this.sign("=", this.term(t("after"), this.tensor(step.after, name, "value", step.node), "result")),
      ),
      ...(parts.length ? [h("h3", {}, t("parts")), h("div", { class: "equation" }, ...parts)] : []),
      ...this.moments(step),
    ];
  }
  private moments(step: Update): HTMLElement[] {
    const names = Object.keys(step.state_after ?? {}).filter((name) => name !== "step");
    const note =
      step.optimizer && !knownOptimizers.includes(step.optimizer)
        ? [h("p", { class: "note" }, t("unknownOptimizer", { name: step.optimizer }))]
        : [];
    if (!names.length) return note;
    const views = names.map((name) => this.term(name, this.tensor(step.state_after![name]!, name, "value")));
    return [
      ...note,
      h("h3", {}, t("moments", { n: step.state_after!.step! })),
      h("div", { class: "equation" }, ...views),
    ];
  }
}
