// The page begins here: it reads the tape from the page itself, or from a file that the learner
// opens. Read next: src/format.ts.
import { App } from "./app.ts";
import { byId } from "./dom.ts";
import { parse } from "./format.ts";
import { t } from "./texts.ts";

let app: App | undefined;

function start(text: string): void {
  try {
    const tape = parse(text);
    byId("welcome").hidden = true;
    byId("page").hidden = false; // before the graph measures it
    app = new App(tape);
  } catch (error) {
    byId("page").hidden = true;
    byId("welcome").hidden = false;
    byId("welcome-error").textContent = t("badTape", { text: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined; // some browsers refuse it for files
  }
}

function setUpTheme(): void {
  const button = byId<HTMLButtonElement>("theme");
  const dark = () =>
    (document.documentElement.dataset.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => (button.textContent = t(dark() ? "light" : "dark"));
  const saved = storage()?.getItem("tape-theme");
  if (saved === "dark" || saved === "light") document.documentElement.dataset.theme = saved;
  label();
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    storage()?.setItem("tape-theme", next);
    label();
    app?.repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    label();
    app?.repaint();
  });
}

function setUpFixedTexts(): void {
  byId("quiz-button").textContent = t("quiz");
  byId("help-button").textContent = t("help");
  byId("help-text").textContent = t("helpText");
  byId("help-close").textContent = t("close");
  byId("tabs").setAttribute("aria-label", t("panels"));
  byId("welcome-text").textContent = t("noTape");
  byId("welcome-label").textContent = t("openFile");
  byId("quiz-button").addEventListener("click", () => app?.startQuiz());
  byId("help-button").addEventListener("click", () => byId<HTMLDialogElement>("help").showModal());
  byId("help-close").addEventListener("click", () => byId<HTMLDialogElement>("help").close());
}

setUpFixedTexts();
setUpTheme();
const text = byId("tape").textContent ?? "";
if (text.trim().startsWith("{")) start(text);
else byId("welcome").hidden = false;
byId<HTMLInputElement>("welcome-file").addEventListener("change", async (event) => {
  const file = (event.target as HTMLInputElement).files?.[0];
  if (file) start(await file.text());
});
