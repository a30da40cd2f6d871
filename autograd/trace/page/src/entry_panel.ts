// The panel of the chosen entry: its value, which can be changed, its gradient with a finite
// difference beside it, and where both come from. Read next: src/mistakes.ts.
import { h } from "./dom.ts";
import { formulas } from "./formulas.ts";
import { numberOf } from "./format.ts";
import { format, indexOf, parseNumber } from "./numbers.ts";
import type { Recording } from "./recording.ts";
import { finiteDifference, type Edits } from "./replay.ts";
import { t } from "./texts.ts";
import { hiddenView, noneYet, tensorView } from "./values.ts";
import { argumentName, nameOf, type Hidden } from "./words.ts";

export interface EntryActions {
  choose(node: number): void;
  pick(element: number | null): void;
  edit(node: number, at: number, value: number | undefined): void;
}

export class EntryPanel {
  constructor(
    private readonly recording: Recording,
    private readonly at: number,
    private readonly id: number | null,
    private readonly element: number | null,
    private readonly edits: Edits,
    private readonly stale: ReadonlySet<number>,
    private readonly hidden: Hidden | null,
    private readonly actions: EntryActions,
  ) {}

  draw(): HTMLElement[] {
    const { recording, id } = this;
    if (id === null) return [h("p", { class: "words" }, t("chooseEntry"))];
    const node = recording.node(id);
    const kind = t(
      node.kind === "operation" ? "kindOperation" : node.kind === "parameter" ? "kindParameter" : "kindData",
    );
    const main: (HTMLElement | null)[] = [
      h("p", { class: `eyebrow ${node.kind}` }, kind),
      h("h2", {}, nameOf(recording, id)),
      node.kind === "operation"
        ? formulas[node.op!]
          ? h("p", { class: "formula" }, formulas[node.op!]!.forward)
          : h("p", { class: "note" }, t("noFormula"))
        : null,
      this.stale.has(id) ? h("p", { class: "note bad" }, t("staleEntry")) : null,
      node.check
        ? h(
            "p",
            { class: node.check.ok ? "note good" : "note bad" },
            t(node.check.ok ? "checkOk" : "checkBad", { x: format(node.check.largest_error) }),
          )
        : null,
      ...this.value(id),
      this.picked(id),
    ];
    return [
      h("div", { class: "main" }, ...main.filter((part): part is HTMLElement => part !== null)),
      h("div", { class: "beside" }, ...this.gradients(id), this.neighbors(id)),
    ];
  }

  // Value ------------------------------------------------------------------------------------------

  private value(id: number): HTMLElement[] {
    const { recording, element } = this;
    const node = recording.node(id);
    if (!recording.isRecorded(id, this.at))
      return [h("h3", {}, t("value")), h("p", { class: "soft" }, t("stateFuture"))];
    const json = recording.json(recording.value(id, this.at));
    const floating = node.dtype.startsWith("float");
    const onPick = json.data && floating ? (at: number) => this.actions.pick(at) : undefined;
    const leaf = node.kind !== "operation";
    const hint = !json.data
      ? leaf
        ? t("wholeEdit")
        : ""
      : onPick && element === null
        ? t(leaf ? "editHint" : "pickHint")
        : "";
    return [
      h("h3", {}, t("value")),
      tensorView(json, { name: nameOf(recording, id), kind: "value", onPick, picked: element ?? undefined }),
      ...(hint ? [h("p", { class: "hint" }, hint)] : []),
    ];
  }
  /** The chosen element: its value, to be changed, and its gradient beside the finite difference. */
  private picked(id: number): HTMLElement | null {
    const { recording, element } = this;
    const node = recording.node(id);
    const json = recording.json(recording.value(id, this.at));
    if (element === null || !json.data || element >= json.data.length) return null;
    const index = indexOf(element, json.shape);
    const rows: HTMLElement[] = [];
    if (node.kind !== "operation") rows.push(this.editor(id, element, this.startValue(id, element)));
    if (node.requires_grad || recording.passes > 0) rows.push(...this.differences(id, element));
    return h(
      "section",
      { class: "picked" },
      h("h3", {}, index ? t("element", { index: `${nameOf(recording, id)}${index}` }) : nameOf(recording, id)),
      ...rows,
    );
  }
  /** Edits change the value that the program began with. */
  private startValue(id: number, element: number): number {
    return numberOf(this.recording.json(this.recording.value(id, -1)).data![element]!);
  }
  private editor(id: number, element: number, now: number): HTMLElement {
    const shown = this.recording.node(id).dtype === "float32" ? Number(now.toPrecision(7)) : now;
    const input = h("input", {
      type: "text",
      inputmode: "decimal",
      value: String(shown),
      id: "new-value",
      autocomplete: "off",
    });
    const set = () => {
      const value = parseNumber(input.value);
      if (Number.isFinite(value)) this.actions.edit(id, element, value);
      else input.setAttribute("aria-invalid", "true");
    };
    const changed = this.edits.elements.some((each) => each.node === id && each.at === element);
    const nudge = (sign: number) =>
      h(
        "button",
        {
          type: "button",
          "aria-label": sign > 0 ? "+" : "−",
          onclick: () =>
            this.actions.edit(id, element, Number((now + sign * Math.max(Math.abs(now) * 0.1, 0.1)).toPrecision(6))),
        },
        sign > 0 ? "+" : "−",
      );
    input.addEventListener("keydown", (event) => event.key === "Enter" && set());
    return h(
      "p",
      { class: "field" },
      h("label", { for: "new-value" }, t("newValue")),
      nudge(-1),
      input,
      nudge(1),
      h("button", { type: "button", class: "primary", onclick: set }, t("apply")),
      changed &&
        h(
          "button",
          { type: "button", class: "link", onclick: () => this.actions.edit(id, element, undefined) },
          t("undo"),
        ),
    );
  }
  private differences(id: number, element: number): HTMLElement[] {
    const { recording } = this;
    const result: HTMLElement[] = [];
    const end = recording.moments.length - 1;
    for (let pass = 0; pass < recording.passes; ++pass) {
      if (recording.seedOf(pass) < 0 || !recording.isRecorded(id, recording.seedOf(pass))) continue;
      if (this.hidden?.node === id && this.hidden.pass === pass) continue;
      const sum = recording.gradient(id, pass, end).sum;
      const gradient =
        sum === null ? undefined : recording.tensor(sum).known ? recording.tensor(sum).data[element] : undefined;
      const numeric = finiteDifference(recording, pass, id, element);
      if (gradient === undefined && (numeric === undefined || numeric === 0)) continue;
      const label = recording.passes > 1 ? ` (${t("pass", { n: pass + 1 })})` : "";
      const wrong = gradient !== undefined && numeric !== undefined ? Math.abs(gradient - numeric) : 0;
      const agrees = wrong <= 1e-3 * Math.max(Math.abs(gradient ?? 0), Math.abs(numeric ?? 0), 1e-4);
      result.push(
        h(
          "table",
          { class: "difference", "data-pass": pass },
          h(
            "tbody",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "row" }, t("analytic") + label),
              h("td", { class: "gradient" }, gradient === undefined ? noneYet() : format(gradient)),
            ),
            h(
              "tr",
              {},
              h("th", { scope: "row" }, t("numeric")),
              h("td", {}, numeric === undefined ? "–" : format(numeric)),
            ),
          ),
        ),
        h(
          "p",
          { class: numeric === undefined || gradient === undefined ? "hint" : agrees ? "hint good" : "hint bad" },
          numeric === undefined
            ? t("noDifference")
            : gradient === undefined
              ? t("noGradientAtEnd")
              : agrees
                ? t("agree")
                : t("differ", { x: format(wrong) }),
          " ",
          h("span", { class: "soft" }, t("numericHow")),
        ),
      );
    }
    return result;
  }

  // Gradient ---------------------------------------------------------------------------------------

  private gradients(id: number): HTMLElement[] {
    const { recording, at } = this;
    const node = recording.node(id);
    if (!node.requires_grad) return [h("h3", {}, t("gradient")), h("p", { class: "soft" }, t("notRequired"))];
    const parts: HTMLElement[] = [];
    const shown = Math.max(recording.passAt(at), 0);
    for (let pass = 0; pass <= Math.min(shown, recording.passes - 1); ++pass) {
      const state = recording.gradient(id, pass, at);
      if (pass < shown && state.sum === null) continue;
      const hidden = this.hidden?.node === id && this.hidden.pass === pass;
      const title = recording.passes > 1 ? t("gradientOf", { n: pass + 1 }) : t("gradient");
      const status = state.sum === null ? "" : state.complete ? t("complete") : t("soFar", { n: state.contributions });
      parts.push(
        h(
          "h3",
          { class: recording.layer(pass) > 0 ? "second" : "" },
          title,
          status ? h("span", { class: "status" }, status) : null,
        ),
      );
      parts.push(
        hidden
          ? hiddenView()
          : state.sum === null
            ? noneYet()
            : tensorView(recording.json(state.sum), { name: title, kind: "gradient" }),
      );
      parts.push(...this.contributions(id, pass, hidden));
    }
    if (node.kind !== "operation") {
      const grad = recording.grad(id, at);
      parts.push(
        h("h3", {}, t("grad")),
        this.hidden?.node === id
          ? hiddenView()
          : grad === null
            ? noneYet()
            : tensorView(recording.json(grad), { name: t("grad"), kind: "gradient" }),
      );
    }
    return parts;
  }
  private contributions(id: number, pass: number, hidden: boolean): HTMLElement[] {
    const { recording } = this;
    const own = recording
      .contributionsTo(id, pass)
      .filter((each) => recording.gradient(each.from, pass, this.at).complete);
    if (own.length < 2) return [];
    const items = own.slice(0, 12).map((each) => {
      const json = recording.json(each.gradient);
      const value = !hidden && json.data?.length === 1 ? `: ${format(numberOf(json.data[0]!))}` : "";
      const label = t("fromInput", {
        name: nameOf(recording, each.from),
        input: argumentName(recording, each.from, each.input),
      });
      return h(
        "li",
        {},
        "+ ",
        h("button", { type: "button", class: "link", onclick: () => this.actions.choose(each.from) }, label),
        value,
      );
    });
    if (own.length > 12) items.push(h("li", {}, "…"));
    return [h("ul", { class: "plain" }, ...items)];
  }

  // Where it stands --------------------------------------------------------------------------------

  private neighbors(id: number): HTMLElement {
    const { recording } = this;
    const node = recording.node(id);
    const list = (ids: number[]) => {
      const links = [...new Set(ids)]
        .slice(0, 12)
        .flatMap((each) => [
          h(
            "button",
            { type: "button", class: "link", onclick: () => this.actions.choose(each) },
            nameOf(recording, each),
          ),
          " ",
        ]);
      return h("dd", {}, ...(links.length ? links : [t("nothing")]), new Set(ids).size > 12 ? "…" : null);
    };
    const rows: HTMLElement[] = [];
    if (node.inputs) rows.push(h("dt", {}, t("inputs")), list(node.inputs.filter((from) => from >= 0)));
    rows.push(h("dt", {}, t("usedBy")), list(recording.consumers[id]!));
    if (node.keeps) rows.push(h("dt", {}, t("keeps")), list(node.keeps));
    const path = this.modulePath(node.module ?? -1);
    if (path) rows.push(h("dt", {}, t("module")), h("dd", {}, path));
    if (node.source) rows.push(h("dt", {}, ""), h("dd", {}, h("code", { class: "source" }, t("source", node.source))));
    return h("dl", { class: "neighbors" }, ...rows);
  }
  private modulePath(module: number): string {
    const names: string[] = [];
    for (let m = module; m >= 0; m = this.recording.tape.modules[m]!.parent) {
      const { name, type, call } = this.recording.tape.modules[m]!;
      names.unshift(`${name || type}${call > 1 ? ` #${call}` : ""}`);
    }
    return names.join(" › ");
  }
}
