// A tensor on the page: numbers if it is small, a heat map with a legend if it is larger, rows if
// it is a table's gradient. Read next: src/groups.ts.
import { h } from "./dom.ts";
import { numberOf, numel, shapeText, type TensorJson } from "./format.ts";
import { format, heat, indexOf, largest, matrixShape } from "./numbers.ts";
import { t } from "./texts.ts";

const kMostNumbers = 64; // shown as numbers without asking
const kMostColumns = 8;

export interface View {
  name: string; // for screen readers
  kind: "value" | "gradient";
  onPick?: (at: number) => void; // makes the numbers buttons
  picked?: number;
  compact?: boolean;
}

export function tensorView(json: TensorJson, view: View): HTMLElement {
  const box = h("figure", { class: `tensor ${view.kind}` });
  if (json.rows) box.append(rowsTable(json, view));
  else if (json.summary) box.append(summaryView(json, view));
  else if (fitsAsNumbers(json)) box.append(numbersTable(json, json.data!, view));
  else box.append(heatMap(json.data!, ...matrixShape(json), view), asNumbers(json, view));
  box.append(h("figcaption", {}, `${shapeText(json.shape)} ${json.dtype}`));
  return box;
}
const fitsAsNumbers = (json: TensorJson) =>
  numel(json.shape) <= kMostNumbers && (json.shape.at(-1) ?? 1) <= kMostColumns;

/** "Nothing yet" must not look like 0. */
export function noneYet(): HTMLElement {
  return h("span", { class: "none-yet" }, t("noneYet"));
}
export function hiddenView(): HTMLElement {
  return h("span", { class: "hidden-gradient", "aria-label": t("hidden") }, "?");
}

// Numbers -----------------------------------------------------------------------------------------

function numberCell(x: number, most: number, at: number, json: TensorJson, view: View): HTMLElement {
  const text = format(x);
  const style = numel(json.shape) > 1 ? `background:${heat(x, most, 0.4)}` : "";
  const bad = Number.isFinite(x) ? "" : " bad";
  if (!view.onPick) return h("td", { style, class: bad }, text);
  const label = `${view.name}${indexOf(at, json.shape)} ${text}`;
  const button = h(
    "button",
    {
      type: "button",
      class: "number",
      "data-at": at,
      tabindex: at === (view.picked ?? 0) ? 0 : -1,
      "aria-label": label,
      "aria-pressed": view.picked === at ? "true" : "false",
      onclick: () => view.onPick!(at),
    },
    text,
  );
  return h("td", { style, class: `pick${bad}` }, button);
}
function numbersTable(json: TensorJson, data: (number | string)[], view: View): HTMLElement {
  const [rows, columns] = matrixShape(json);
  if (rows * columns === 0) return h("span", { class: "soft" }, t("empty"));
  const most = largest(data);
  const table = h("table", { class: "numbers", onkeydown: (event: KeyboardEvent) => moveInTable(event, columns) });
  const body = h("tbody", {});
  for (let r = 0; r < rows; ++r) {
    const slice = json.shape.length > 2 && r > 0 && r % json.shape.at(-2)! === 0;
    const cells = Array.from({ length: columns }, (_, c) =>
      numberCell(numberOf(data[r * columns + c]!), most, r * columns + c, json, view),
    );
    body.append(h("tr", { class: slice ? "slice" : undefined }, ...cells));
  }
  table.append(
    h("caption", { class: "only-heard" }, t("tensorCaption", { name: view.name, shape: shapeText(json.shape) })),
    body,
  );
  return h("div", { class: "scroll" }, table);
}
/** Arrow keys move between the numbers of a table, so that Tab needs one stop for it. */
function moveInTable(event: KeyboardEvent, columns: number): void {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const from = event.target as HTMLElement;
  if (step === undefined || from.dataset.at === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const to = (event.currentTarget as HTMLElement).querySelector<HTMLElement>(
    `[data-at="${Number(from.dataset.at) + step}"]`,
  );
  if (!to) return;
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}
function asNumbers(json: TensorJson, view: View): HTMLElement {
  const details = h("details", { class: "as-numbers" }, h("summary", {}, t("asNumbers")));
  details.addEventListener(
    "toggle",
    () => details.childElementCount === 1 && details.append(numbersTable(json, json.data!, view)),
    { once: true },
  );
  return details;
}

function rowsTable(json: TensorJson, view: View): HTMLElement {
  const { ids, data } = json.rows!;
  const width = numel(json.shape.slice(1));
  const most = largest(data);
  const shown = Math.min(ids.length, 24);
  const body = h("tbody", {});
  for (let i = 0; i < shown; ++i) {
    const cells = Array.from({ length: Math.min(width, kMostColumns) }, (_, j) => {
      const x = numberOf(data[i * width + j]!);
      return h("td", { style: `background:${heat(x, most, 0.4)}` }, format(x));
    });
    body.append(
      h(
        "tr",
        {},
        h("th", { scope: "row" }, t("row", { id: ids[i]! })),
        ...cells,
        width > kMostColumns && h("td", {}, "…"),
      ),
    );
  }
  if (shown < ids.length)
    body.append(h("tr", {}, h("th", { scope: "row", colspan: 2 }, t("moreRows", { count: ids.length - shown }))));
  const caption = h("caption", {}, t("rowsCaption", { rows: new Set(ids).size, all: json.shape[0]! }));
  caption.classList.toggle("only-heard", view.compact === true);
  return h("div", { class: "scroll" }, h("table", { class: "numbers rows" }, caption, body));
}

// Heat maps ---------------------------------------------------------------------------------------

function heatMap(data: (number | string)[], rows: number, columns: number, view: View): HTMLElement {
  const most = largest(data);
  const numbers = data.map(numberOf);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const label = t("heatCaption", { name: view.name, rows, columns, low: format(low), high: format(high) });
  const read = h("output", { class: "readout" });
  const canvas = h("canvas", { class: "heat", width: columns, height: rows, role: "img", "aria-label": label });
  const size = Math.max(2, Math.min(16, Math.floor(320 / columns), Math.floor(220 / Math.max(rows, 1))));
  canvas.style.width = `min(100%, ${columns * size}px)`;
  canvas.style.aspectRatio = `${columns} / ${Math.max(rows, 1)}`;
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [r, c] = [
      Math.floor(((event.clientY - box.top) / box.height) * rows),
      Math.floor(((event.clientX - box.left) / box.width) * columns),
    ];
    if (r >= 0 && c >= 0 && r < rows && c < columns)
      read.textContent = `[${r}, ${c}]  ${format(numbers[r * columns + c]!)}`;
  });
  canvas.addEventListener("pointerleave", () => (read.textContent = ""));
  paintWhenShown(canvas, numbers, columns, most);
  return h("div", {}, canvas, legend(most), read);
}
function paintWhenShown(canvas: HTMLCanvasElement, numbers: number[], columns: number, most: number): void {
  requestAnimationFrame(() => {
    const style = getComputedStyle(canvas);
    const [cold, zero, warm, bad] = ["cold", "zero", "warm", "bad"].map((name) =>
      rgb(style.getPropertyValue(`--${name}`).trim()),
    ) as [number[], number[], number[], number[]];
    const image = new ImageData(columns, Math.max(numbers.length / columns, 1));
    numbers.forEach((x, i) => {
      const share = Math.min(Math.abs(x) / most, 1);
      const end = x < 0 ? cold : warm;
      const color = Number.isFinite(x) ? zero.map((z, k) => z + (end[k]! - z) * share) : bad;
      image.data.set([color[0]!, color[1]!, color[2]!, 255], i * 4);
    });
    canvas.getContext("2d")!.putImageData(image, 0, 0);
  });
}
function rgb(hex: string): number[] {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
function legend(most: number): HTMLElement {
  return h(
    "div",
    { class: "legend", "aria-hidden": "true" },
    h("span", {}, format(-most)),
    h("i", {}),
    h("span", {}, format(most)),
  );
}
function summaryView(json: TensorJson, view: View): HTMLElement {
  const { min, max, mean, norm, nonfinite } = json.summary!;
  const list = h("dl", { class: "summary" });
  for (const [name, x] of [
    ["min", min],
    ["max", max],
    ["mean", mean],
    ["norm", norm],
  ] as const)
    list.append(h("dt", {}, name), h("dd", {}, format(numberOf(x))));
  if (nonfinite > 0)
    list.append(h("dt", { class: "bad" }, t("nonfinite")), h("dd", { class: "bad" }, String(nonfinite)));
  const box = h("div", {});
  if (json.thumbnail) box.append(heatMap(json.thumbnail.data, json.thumbnail.rows, json.thumbnail.columns, view));
  box.append(list, h("p", { class: "soft" }, t("summaryNote")));
  return box;
}
