// Builds tape.html, or with --tests the tests, for node, in test/out/.
import { build } from "esbuild";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url).pathname;

async function page() {
  const result = await build({
    entryPoints: [here("src/main.ts")],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    write: false,
    metafile: true,
  });
  const style = await build({ entryPoints: [here("src/style.css")], minify: true, write: false });
  // "</script" must not occur in a script; in a string it means the same with a backslash.
  const script = result.outputFiles[0].text.replaceAll("</script", "<\\/script").trim();
  const html = readFileSync(here("src/page.html"), "utf8")
    .replace("/*STYLE*/", () => style.outputFiles[0].text.trim())
    .replace("/*SCRIPT*/", () => script)
    .replace("/*LICENSES*/", () => licenses(Object.keys(result.metafile.inputs)));
  writeFileSync(here("tape.html"), html);
  console.log(`tape.html: ${html.length} bytes`);
}

/** The license texts of the libraries in the page, each text once. */
function licenses(inputs) {
  const names = new Set(inputs.flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []));
  const texts = new Map();
  for (const name of [...names].sort()) {
    const { version } = JSON.parse(readFileSync(here(`node_modules/${name}/package.json`), "utf8"));
    const text = readFileSync(here(`node_modules/${name}/LICENSE`), "utf8").trim();
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
  }
  return [...texts]
    .map(([text, users]) => `${users.join(", ")}:\n${text}`)
    .join("\n\n")
    .replaceAll("--", "- -");
}

async function tests() {
  rmSync(here("test/out"), { recursive: true, force: true });
  const files = readdirSync(here("test")).filter((file) => file.endsWith(".ts"));
  await build({
    entryPoints: files.map((file) => here(`test/${file}`)),
    outdir: here("test/out"),
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    target: "node20",
  });
}

await (process.argv.includes("--tests") ? tests() : page());
