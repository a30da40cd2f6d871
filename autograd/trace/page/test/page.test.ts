// What must hold for the page as a whole: complete tables, a clean lock file, a self-contained file,
// a schema that fits. Read next: test/mistakes.test.ts.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { formulas } from "../src/formulas.ts";
import { operations } from "../src/ops/index.ts";
import { fromHash, initialState, toHash } from "../src/state.ts";
import { t, texts } from "../src/texts.ts";
import { long, samples } from "./samples.ts";

const page = new URL("../../", import.meta.url).pathname;
const root = `${page}../../../`;

/** The names of all operations that the library records. */
function recordedNames(): string[] {
  const names = new Set<string>();
  const folders = ["autograd/ops/", "autograd/", "nn/"];
  for (const folder of folders) {
    for (const file of readdirSync(root + folder).filter((each) => each.endsWith(".cc"))) {
      const text = readFileSync(root + folder + file, "utf8");
      for (const [, name] of text.matchAll(
        /\b(?:record|record_fused|record_joint|same_order|extreme|picked)\(\s*"(\w+)"/g,
      ))
        names.add(name!);
    }
  }
  const recurrent = readFileSync(`${root}autograd/ops/recurrent.cc`, "utf8");
  for (const [, name] of recurrent.matchAll(/"((?:rnn|gru|lstm)(?:_cell)?)"/g)) names.add(name!);
  return [...names];
}

test("every operation that the library records has a formula and can be computed again", () => {
  const names = recordedNames();
  assert.ok(names.length > 85, `${names.length} names were found`);
  assert.deepEqual(
    names.filter((name) => !(name in formulas)),
    [],
    "operations without a formula",
  );
  assert.deepEqual(
    names.filter((name) => !(name in operations)),
    [],
    "operations that cannot be computed again",
  );
});

test("every formula has one rule for each input", () => {
  for (const [op, { inputs, rules }] of Object.entries(formulas)) assert.equal(rules.length, inputs.length, op);
});

test("the lock file names no package host", () => {
  const lock = readFileSync(`${page}package-lock.json`, "utf8");
  assert.ok(!lock.includes('"resolved"'));
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${page}package.json`, "utf8"));
  for (const version of Object.values({ ...dependencies, ...devDependencies }))
    assert.match(version as string, /^\d+\.\d+\.\d+$/);
});

test("the page is one small file that loads nothing", () => {
  const html = readFileSync(`${page}tape.html`, "utf8");
  assert.ok(html.length < 600_000, `${html.length} bytes`);
  assert.equal(html.split('<script id="tape" type="application/json">/*TAPE*/</script>').length, 2);
  const addresses = new Set(html.match(/https?:\/\/[^"'\s)<\\]+/g));
  for (const address of addresses) assert.match(address, /^http:\/\/www\.w3\.org\//);
  assert.ok(!/<script[^>]* src=|<link[^>]* rel="stylesheet"|@import|url\((?!#|"?#)/.test(html));
});

test("the samples fit the schema", () => {
  const schema = `${root}docs/tape.schema.json`;
  assert.ok(existsSync(schema));
  const validate = new Ajv2020({ allErrors: true, strict: false }).compile(JSON.parse(readFileSync(schema, "utf8")));
  const folder = process.env.TAPEGRAD_TAPES;
  const files = folder ? readdirSync(folder).filter((each) => each.endsWith(".json")) : [];
  const tapes: [string, unknown][] = [
    ...Object.entries(samples).map(([name, make]): [string, unknown] => [name, JSON.parse(JSON.stringify(make()))]),
    ["long", JSON.parse(JSON.stringify(long(200)))],
    ...files.map((file): [string, unknown] => [file, JSON.parse(readFileSync(`${folder}/${file}`, "utf8"))]),
  ];
  for (const [name, tape] of tapes)
    assert.ok(validate(tape), `${name}: ${JSON.stringify(validate.errors?.slice(0, 3))}`);
});

test("the schema refuses what the page would misread", () => {
  const validate = new Ajv2020({ strict: false }).compile(
    JSON.parse(readFileSync(`${root}docs/tape.schema.json`, "utf8")),
  );
  const tape = JSON.parse(JSON.stringify(samples.scalar!()));
  for (const change of [
    (x: typeof tape) => (x.version = 2),
    (x: typeof tape) => delete x.nodes,
    (x: typeof tape) => (x.tensors[0].data = ["NaN"]),
    (x: typeof tape) => (x.tensors[0].dtype = "half"),
    (x: typeof tape) => (x.steps[0].kind = "later"),
    (x: typeof tape) => delete x.steps.find((step: { kind: string }) => step.kind === "contribution").before,
  ]) {
    const wrong = JSON.parse(JSON.stringify(tape));
    change(wrong);
    assert.ok(!validate(wrong), String(change));
  }
});

test("text can be read on the page's background, in light and dark", () => {
  const css = readFileSync(`${page}src/style.css`, "utf8");
  const themes = [...css.matchAll(/\{((?:\s*--[\w-]+: [^;]+;)+)/g)].map(([, block]) =>
    Object.fromEntries([...block!.matchAll(/--([\w-]+): (#\w{6})/g)].map(([, name, hex]) => [name!, hex!])),
  );
  const luminance = (hex: string) => {
    const [r, g, b] = [1, 3, 5]
      .map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
      .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  assert.equal(themes.length, 3);
  assert.deepEqual(themes[1], themes[2], "the switch and the system's choice give the same dark colors");
  for (const theme of themes) {
    for (const name of ["ink", "soft", "value", "gradient", "second", "parameter", "data", "good", "bad"]) {
      for (const ground of ["paper", "wash"]) {
        const [a, b] = [luminance(theme[name]!), luminance(theme[ground]!)];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        assert.ok(contrast >= 4.5, `--${name} on --${ground}: ${contrast.toFixed(2)}`);
      }
    }
  }
});

test("the Read next lines lead through all files, from main.ts on", () => {
  const all = ["src/", "src/ops/"].flatMap((folder) =>
    readdirSync(page + folder)
      .filter((file) => file.endsWith(".ts"))
      .map((file) => folder + file),
  );
  const read: string[] = [];
  for (let file: string | undefined = "src/main.ts"; file && !read.includes(file);) {
    read.push(file);
    const comment: string = readFileSync(page + file, "utf8")
      .split("\n\n")[0]!
      .replaceAll("\n// ", " ");
    file = /Read next: (\S+\.ts)\./.exec(comment)?.[1];
  }
  assert.deepEqual(read.sort(), all.sort());
});

test("a link keeps the state", () => {
  const state = initialState();
  Object.assign(state, { at: 11, node: 3, element: 2, panel: "entry" });
  state.edits = { elements: [{ node: 1, at: 2, value: -0.5 }], lr: 0.25 };
  state.open.add("m3");
  state.turns.set("l7", 4).set("l9", "all");
  assert.deepEqual(fromHash(`#${toHash(state)}`, 100, 10), state);
});
test("a link to what is not there does no harm", () => {
  assert.deepEqual(fromHash("#step=900&entry=77&element=-1&panel=none&set=x,1.2&lr=abc", 10, 5), initialState());
});

test("texts are filled and used, and singular forms are chosen", () => {
  assert.equal(t("entries", { n: 1 }), "1 entry");
  assert.equal(t("entries", { n: 2 }), "2 entries");
  const source = readdirSync(`${page}src`)
    .filter((file) => file.endsWith(".ts") && file !== "texts.ts")
    .map((file) => readFileSync(`${page}src/${file}`, "utf8"))
    .join("");
  for (const key of Object.keys(texts))
    assert.ok(source.includes(`"${key.replace(/1$/, "")}"`), `the text ${key} is unused`);
  for (const [key, text] of Object.entries(texts)) assert.ok(text.length > 0 && !/\s$|^\s/.test(text), key);
});
