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
  });
  const style = await build({ entryPoints: [here("src/style.css")], minify: true, write: false });
  // "</script" must not occur in a script; in a string it means the same with a backslash.
  const script = result.outputFiles[0].text.replaceAll("</script", "<\\/script").trim();
  const html = readFileSync(here("src/page.html"), "utf8")
    .replace("/*STYLE*/", () => style.outputFiles[0].text.trim())
    .replace("/*SCRIPT*/", () => script)
    .replace("/*LICENSES*/", () => licenses());
  writeFileSync(here("tape.html"), html);
  console.log(`tape.html: ${html.length} bytes`);
}

/** The notices of the libraries in the page, as their licenses ask. */
function licenses() {
  const names = ["@dagrejs/dagre", "d3-selection", "d3-zoom"];
  return names.map((name) => {
    const { version, license } = JSON.parse(readFileSync(here(`node_modules/${name}/package.json`), "utf8"));
    const text = readFileSync(here(`node_modules/${name}/LICENSE`), "utf8");
    return `${name} ${version} (${license}): ${text.split("\n").find((line) => line.startsWith("Copyright"))}`;
  }).join("\n  ");
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
