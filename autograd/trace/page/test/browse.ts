// Opens pages in Chromium: what the browser tests share. Read next: test/browser.ts.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";
import type { TapeJson } from "../src/format.ts";

const root = new URL("../../", import.meta.url).pathname; // this file is bundled into test/out/
const folder = `${root}test/out/pages/`;
export const shots = `${root}test/shots/`;

/** The page with this tape in it, as the C++ side writes it. */
export function writePage(name: string, tape: TapeJson): string {
  mkdirSync(folder, { recursive: true });
  const json = JSON.stringify(tape).replaceAll("<", "\\u003c");
  const html = readFileSync(`${root}tape.html`, "utf8").replace("/*TAPE*/", () => json);
  writeFileSync(`${folder}${name}.html`, html);
  return `file://${folder}${name}.html`;
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--headless",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Look {
  width: number;
  dark?: boolean;
}
/** Opens a page. Errors of the page and requests to a network fail the test. */
export async function open(
  browser: Browser,
  address: string,
  { width, dark }: Look,
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 844 : 860 },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => /^https?:/.test(request.url()) && problems.push(`request ${request.url()}`));
  await page.goto(address, { timeout: 120_000 });
  await page.waitForTimeout(60);
  return { page, problems };
}
