// What the panel of a step is made of: terms of an equation, formulas, and the values that a
// formula names. Read next: src/step_panel.ts.
import { h } from "./dom.ts";
import type { Contribution } from "./format.ts";
import { formulas } from "./formulas.ts";
import { format } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { t } from "./texts.ts";
import { tensorView } from "./values.ts";
import { argumentName, constantsOf, kindOfBad, nameOf, type Hidden } from "./words.ts";

export interface PanelActions {
  choose(node: number): void;
  pick(node: number, element: number): void;
  setRate(lr: number | undefined): void;
}

export class StepParts {
  constructor(
    protected readonly recording: Recording,
    protected readonly at: number,
    protected readonly hidden: Hidden | null,
    protected readonly actions: PanelActions,
  ) {}

  protected isHidden(node: number, pass: number): boolean {
    return this.hidden?.node === node && this.hidden.pass === pass;
  }
  /** A tensor; its numbers are buttons if they belong to a node's value or gradient. */
  protected tensor(index: number, name: string, kind: "value" | "gradient", node?: number): HTMLElement {
    const json = this.recording.json(index);
    const own = node === undefined ? undefined : this.recording.json(this.recording.node(node).value);
    const isPicked = own?.data !== undefined && json.data?.length === own.data.length && json.dtype.startsWith("float");
    return tensorView(json, { name, kind, onPick: isPicked ? (at) => this.actions.pick(node!, at) : undefined });
  }
  protected term(label: string, body: HTMLElement, names = ""): HTMLElement {
    return h("div", { class: `term ${names}` }, h("div", { class: "term-label" }, label), body);
  }
  /** A sign and the term after it, which stay in one line. */
  protected sign(text: string, term: HTMLElement | null): HTMLElement {
    return h("div", { class: "signed" }, h("div", { class: "sign" }, text), term);
  }
  protected formulaLine(text: string | undefined, rule = false): HTMLElement {
    return text
      ? h("p", { class: rule ? "formula rule" : "formula" }, text)
      : h("p", { class: "note" }, t("noFormula"));
  }
  protected foot(node: number): HTMLElement[] {
    const { source } = this.recording.node(node);
    const bad = this.recording.firstNonFinite();
    const parts: (HTMLElement | null)[] = [
      source ? h("code", { class: "source" }, t("source", source)) : null,
      h("button", { type: "button", class: "link", onclick: () => this.actions.choose(node) }, t("showEntry")),
    ];
    const foot = [h("p", { class: "foot" }, ...parts)];
    if (bad?.moment === this.at)
      foot.unshift(h("p", { class: "note bad" }, t("sayNotFinite", { kind: kindOfBad(this.recording, bad.tensor) })));
    return foot;
  }

  /** The values that the rule's formula names, besides dy. */
  protected factors(step: Contribution, rule: string | undefined): HTMLElement[] {
    const { recording } = this;
    const right = rule?.slice(rule.indexOf("=") + 1) ?? "";
    const named = (name: string) => new RegExp(`(^|[^\\p{L}_])${name}(?![\\p{L}_'])`, "u").test(right);
    const node = recording.node(step.from);
    const terms: HTMLElement[] = [];
    (node.inputs ?? []).forEach((from, i) => {
      const name = argumentName(recording, step.from, i);
      if (from >= 0 && named(name))
        terms.push(
          this.term(
            `${name} = ${nameOf(recording, from)}`,
            this.tensor(recording.value(from, this.at), nameOf(recording, from), "value", from),
          ),
        );
    });
    const isState = right.includes("h'²"); // the new state is the result
    terms.push(...this.scalars(step.from, named), ...this.constants(step.from));
    if (named("y") || right.includes("eʸ") || isState)
      terms.push(
        this.term(isState ? "h'" : "y", this.tensor(node.value, nameOf(recording, step.from), "value", step.from)),
      );
    return terms;
  }

  /** The Scalar of an operation like x + 2, under its name in the formula. */
  protected scalars(id: number, named: (name: string) => boolean): HTMLElement[] {
    const node = this.recording.node(id);
    const { input, other, exponent } = node.attributes ?? {};
    const names = formulas[node.op!]?.inputs ?? [];
    const scalar = input ?? other ?? exponent;
    const name = names[input === undefined ? 1 : 0];
    if (typeof scalar !== "number" || name === undefined || !named(name)) return [];
    return [this.term(name, h("span", { class: "scalar" }, format(scalar)))];
  }

  /** The Tensors without history that the operation got: ids, targets, masks. */
  protected constants(id: number): HTMLElement[] {
    return constantsOf(this.recording, id).map(([name, tensor]) => this.term(name, this.tensor(tensor, name, "value")));
  }
}
