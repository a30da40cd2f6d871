// Takes the screenshots to look at: node test/out/shoot.js [sample...].
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { parse } from "../src/format.ts";
import { launch, open, shots, writePage } from "./browse.ts";
import { long, samples } from "./samples.ts";

const views: [string, string, string][] = [
  ["scalar", "scalar", "step=12"],
  ["mlp", "mlp", "step=9"],
  ["mlp-update", "mlp", "step=30&entry=1&element=2&panel=entry"],
  ["primitives", "primitives", "step=15"],
  ["bag", "bag", "step=11"],
  ["rnn", "rnn", "step=120"],
  ["training", "training", "step=40&panel=compare"],
  ["twice", "twice", "step=16"],
  ["failing", "failing", "step=3"],
  ["notFinite", "notFinite", "step=1"],
  ["unknown", "unknown", "step=5"],
  ["quiz", "primitives", "quiz=7"],
  ["predict", "scalar", "step=12&entry=0&panel=predict"],
  ["long", "long", "step=500"],
  ["edit", "scalar", "step=12&entry=0&element=0&panel=entry&set=0.0:1.5"],
];
const folder = process.env.TAPEGRAD_TAPES;
for (const file of folder ? readdirSync(folder).filter((each) => each.endsWith(".json")) : []) {
  const name = `recorded-${file.slice(0, -5)}`;
  samples[name] = () => parse(readFileSync(`${folder}/${file}`, "utf8"));
  views.push([name, name, "step=12"]);
}
mkdirSync(shots, { recursive: true });
const wanted = process.argv.slice(2);
const browser = await launch();
for (const [name, sample, hash] of views) {
  if (wanted.length && !wanted.includes(name)) continue;
  const address = writePage(sample, sample === "long" ? long() : samples[sample]!());
  for (const look of [{ width: 1280 }, { width: 1280, dark: true }, { width: 390 }, { width: 390, dark: true }]) {
    const { page, problems } = await open(browser, `${address}#${hash}`, look);
    await page.waitForTimeout(250);
    const file = `${shots}${name}-${look.width}${look.dark ? "-dark" : ""}.png`;
    await page.screenshot({ path: file, fullPage: look.width < 500 });
    if (problems.length) console.log(name, look, problems);
    await page.context().close();
  }
}
await browser.close();
