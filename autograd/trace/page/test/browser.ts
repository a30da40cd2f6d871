// Drives the page in Chromium, as a learner does: steps through recordings and compares the numbers
// on the page with the JSON, changes numbers, answers questions right and wrong, by mouse and by
// keyboard, wide and narrow, light and dark. Run by `npm run browser`.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { numberOf, parse, type TapeJson } from "../src/format.ts";
import { answerOf } from "../src/mistakes.ts";
import { makeQuiz } from "../src/questions.ts";
import { format } from "../src/numbers.ts";
import { Recording } from "../src/recording.ts";
import { heading } from "../src/words.ts";
import { launch, open, writePage, type Look } from "./browse.ts";
import { long, samples, scalar } from "./samples.ts";

let browser: Browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const tapes: Record<string, () => TapeJson> = { ...samples };
const folder = process.env.TAPEGRAD_TAPES;
for (const file of folder ? readdirSync(folder).filter((each) => each.endsWith(".json")) : []) {
  tapes[`recorded-${file.slice(0, -5)}`] = () => parse(readFileSync(`${folder}/${file}`, "utf8"));
}

async function using(
  name: string,
  tape: TapeJson,
  look: Look,
  hash: string,
  act: (page: Page, recording: Recording) => Promise<void>,
): Promise<void> {
  const { page, problems } = await open(browser, `${writePage(name, tape)}${hash}`, look);
  try {
    await act(page, new Recording(tape));
    assert.deepEqual(problems, []);
  } finally {
    await page.context().close();
  }
}
/** The numbers in a part of the page, as they are written there. */
const numbersIn = (page: Page, selector: string) =>
  page.$$eval(selector, (cells) => cells.map((cell) => cell.textContent ?? ""));
function writtenOf(recording: Recording, tensor: number): string[] | undefined {
  const json = recording.json(tensor);
  if (!json.data || json.data.length > 64 || (json.shape.at(-1) ?? 1) > 8) return undefined;
  return json.data.map((each) => format(numberOf(each)));
}
const fits = (page: Page) => page.evaluate(() => document.scrollingElement!.scrollWidth <= innerWidth);

const drag = (slider: Element, to: number) => {
  (slider as HTMLInputElement).value = String(to);
  slider.dispatchEvent(new Event("input"));
};

// Steps -------------------------------------------------------------------------------------------

/** What the panel must show as its result at a moment. */
function resultOf(recording: Recording, at: number): number | undefined {
  const { step, part } = recording.moments[at]!;
  if (step.kind === "forward") return recording.node(step.node).value;
  if (step.kind === "fire" || step.kind === "seed") return step.gradient;
  if (step.kind === "contribution") return part === "rule" ? step.raw : step.after;
  return step.kind === "leaf" || step.kind === "update" ? step.after : undefined;
}

for (const [name, make] of Object.entries(tapes)) {
  for (const look of [{ width: 1280 }, { width: 390, dark: true }]) {
    test(`${name}: every step shows the numbers of the JSON, ${look.width} px`, async () => {
      await using(name, make(), look, "", async (page, recording) => {
        const count = recording.moments.length;
        const stride = Math.max(Math.ceil(count / 50), 1);
        let compared = 0;
        for (let at = 0; at < count; at = at === count - 1 ? count : Math.min(at + stride, count - 1)) {
          if (stride === 1 && at > 0) await page.keyboard.press("ArrowRight");
          else await page.$eval("input[type=range]", drag, at);
          assert.equal(await page.textContent(".counter"), `${at + 1} / ${count}`);
          assert.equal(await page.textContent("#panel h2"), heading(recording, at));
          assert.ok((await page.textContent("#announce"))!.startsWith(heading(recording, at)), "the step is announced");
          const index = resultOf(recording, at);
          const written = index === undefined ? undefined : writtenOf(recording, index);
          if (written) {
            const results = await page.$$("#panel .term.result");
            const cells = await results.at(-1)!.$$eval("td", (all) => all.map((cell) => cell.textContent));
            assert.deepEqual(cells, written, `step ${at + 1}`);
            ++compared;
          }
          assert.ok(await fits(page), `step ${at + 1} is wider than the window`);
        }
        assert.ok(compared > 0 || name.includes("failing"));
        await page.keyboard.press("ArrowRight");
        assert.equal(await page.textContent(".counter"), `${count} / ${count}`, "the last step stays");
      });
    });
  }
}

test("no gradient yet and 0 look different", async () => {
  await using("scalar", scalar(), { width: 1280 }, "#step=1&entry=0&panel=entry", async (page) => {
    assert.equal(await page.textContent(".beside .none-yet"), "none yet");
    assert.ok((await page.$$(".box .none")).length > 0);
    await page.keyboard.press("End");
    assert.equal(await page.$(".beside .none-yet"), null);
  });
});

// Changes -----------------------------------------------------------------------------------------

test("a changed weight shows what a second run of the program computes", async () => {
  const second = new Recording(scalar(1.5));
  for (const look of [{ width: 1280 }, { width: 390 }]) {
    await using("scalar", scalar(), look, "", async (page, recording) => {
      await page.click('.box[data-key="n0"]');
      await page.fill("#new-value", "1.5");
      await page.click("text=Set");
      assert.match((await page.textContent(".notice.edited"))!, /changed 1 number/);
      await page.click("#tab-step");
      for (let at = 0; at < recording.moments.length; ++at) {
        await page.evaluate((to) => (location.hash = location.hash.replace(/step=\d+/, `step=${to}`)), at + 1);
        await page.waitForFunction(
          (to) => document.querySelector(".counter")!.textContent!.startsWith(`${to} `),
          at + 1,
        );
        const index = resultOf(second, at);
        if (index === undefined) continue;
        const results = await page.$$("#panel .term.result");
        assert.deepEqual(
          await results.at(-1)!.$$eval("td", (all) => all.map((cell) => cell.textContent)),
          writtenOf(second, index),
          `step ${at + 1}`,
        );
      }
      await page.click("text=Undo all changes");
      assert.equal(await page.$(".notice.edited"), null);
    });
  }
});
test("a learning rate of 0 leaves the parameters where they are", async () => {
  await using("mlp", samples.mlp!(), { width: 1280 }, "", async (page) => {
    await page.keyboard.press("End");
    await page.fill("#rate", "0");
    await page.keyboard.press("Tab");
    const values = await page.$$eval("#panel .term", (terms) =>
      [terms[0]!, terms.at(-1)!].map((term) => [...term.querySelectorAll("td")].map((cell) => cell.textContent)),
    );
    assert.deepEqual(values[0], values[1]);
  });
});
test("a click on a number shows its finite difference", async () => {
  await using("primitives", samples.primitives!(), { width: 1280 }, "", async (page, recording) => {
    for (const key of ["n1", "n4"]) {
      await page.click(`.box[data-key="${key}"]`);
      await page.keyboard.press("End");
      await page.click('#panel .number[data-at="3"]');
      const [gradient, numeric] = await numbersIn(page, ".difference td");
      const id = Number(key.slice(1));
      const sum = recording.gradient(id, 0, recording.moments.length - 1).sum!;
      assert.equal(gradient, format(recording.tensor(sum).data[3]!));
      const parsed = Number(numeric!.replace("−", "-"));
      assert.ok(
        Math.abs(parsed - recording.tensor(sum).data[3]!) < 1e-3 * Math.abs(parsed),
        `${numeric} and ${gradient}`,
      );
      assert.match((await page.textContent(".picked"))!, /They agree/);
    }
  });
});
test("numbers of a step lead to their entry", async () => {
  await using("scalar", scalar(), { width: 1280 }, "#step=3", async (page) => {
    await page.click("#panel .result .number");
    assert.equal(await page.textContent("#panel h2"), "tanh #5");
    assert.match((await page.textContent(".picked"))!, /They agree/);
  });
});
test("an operation that the page does not know is shown, and said not to follow", async () => {
  await using(
    "unknown",
    samples.unknown!(),
    { width: 1280 },
    "#step=1&entry=0&element=0&panel=entry&set=0.0:2",
    async (page) => {
      assert.match((await page.textContent(".notice.edited"))!, /2 entries could not be computed anew/);
      await page.click('.box[data-key="n1"]');
      assert.match((await page.textContent("#panel"))!, /does not know this operation/);
      assert.deepEqual(await numbersIn(page, "#panel .main td"), ["0.125", "−3.375"]);
    },
  );
});

// Questions ---------------------------------------------------------------------------------------

async function answer(page: Page, text: string): Promise<string> {
  await page.fill("#predict-answer", text);
  await page.click(".answer .primary");
  return (await page.textContent(".verdict"))!;
}
test("predict: the gradient is hidden, each mistake is named, the right answer shows it", async () => {
  await using("scalar", scalar(), { width: 1280 }, "#step=34&panel=predict", async (page, recording) => {
    await page.selectOption("#predict-entry", "0:0");
    await page.selectOption("#predict-kind", "number");
    await page.click("text=Ask me");
    assert.equal(await page.textContent('.box[data-key="n0"] .hidden-gradient'), "?");
    const parts = recording.contributionsTo(0, 0).map((part) => recording.tensor(part.gradient).item());
    const total = parts[0]! + parts[1]!;
    assert.match(await answer(page, "abc"), /Write a number/);
    assert.match(await answer(page, String(parts[0])), /Not added up/);
    assert.match(await answer(page, String(parts[1])), /Not added up/);
    assert.match(await answer(page, String(-total)), /sign is wrong/);
    assert.match(await answer(page, "1234"), /Not this/);
    assert.equal(await page.textContent('.box[data-key="n0"] .hidden-gradient'), "?");
    assert.match(await answer(page, total.toPrecision(3)), /Correct/);
    assert.equal(await page.$('.box[data-key="n0"] .hidden-gradient'), null);
  });
});
test("predict: a row whose broadcasting was not undone, a transposed matrix, a cut chain", async () => {
  await using(
    "primitives",
    samples.primitives!(),
    { width: 390 },
    "#step=27&panel=predict",
    async (page, recording) => {
      const ask = async (entry: string, kind: string) => {
        await page.selectOption("#predict-entry", entry);
        await page.selectOption("#predict-kind", kind);
        await page.click("text=Ask me");
      };
      await ask("2:0", "shape");
      assert.match(await answer(page, "(3, 4)"), /Broadcast not summed/);
      assert.match(await answer(page, "(4,)"), /Correct/);
      await ask("1:0", "shape");
      assert.match(await answer(page, "4 x 2"), /Not transposed/);
      assert.match(await answer(page, "(3, 4)"), /Chain cut/);
      assert.match(await answer(page, "nothing"), /Write a shape/);
      await ask("6:0", "number"); // the input of mean: tanh's square
      const sum = recording.tensor(recording.gradient(6, 0, recording.moments.length - 1).sum!);
      assert.match(await answer(page, "1"), /Factor forgotten/);
      assert.match(await answer(page, String(sum.data[0])), /Correct/);
    },
  );
});
test("a quiz by a seed: right, wrong, and the key", async () => {
  for (const look of [{ width: 1280 }, { width: 390, dark: true }]) {
    await using("primitives", samples.primitives!(), look, "?quiz=7", async (page, recording) => {
      const questions = makeQuiz(recording, "7");
      assert.equal((await page.$$(".questions > li")).length, questions.length);
      assert.ok(questions.length >= 6);
      for (const [i, question] of questions.entries()) {
        const right = answerOf(recording, question);
        const wrong = i === 0;
        await page.fill(
          `#quiz-${i}`,
          wrong ? "98765" : typeof right === "number" ? right.toPrecision(3) : `(${right.join(", ")})`,
        );
        await page.press(`#quiz-${i}`, "Enter");
        assert.match(
          (await page.$$eval(".verdict", (all, n) => all[n]!.textContent, i))!,
          wrong ? /Not this|forgotten|Chain|added/ : /Correct/,
          `question ${i + 1}`,
        );
      }
      assert.equal(await page.textContent(".score"), `${questions.length - 1} of ${questions.length} correct`);
      await page.click("text=Show the answer key");
      assert.equal((await page.$$(".key li")).length, questions.length);
      assert.ok(await fits(page));
      await page.click("text=Back to the tape");
      assert.ok(await page.isVisible(".graph"));
    });
  }
});
test("the program can ask for a quiz", async () => {
  await using("quiz", { ...scalar(), quiz: 3 }, { width: 1280 }, "", async (page) => {
    assert.equal(await page.textContent(".quiz h1"), "Quiz, seed 3");
  });
});

// What went wrong ---------------------------------------------------------------------------------

test("a failing program's page says what failed, with the shapes side by side", async () => {
  await using("failing", samples.failing!(), { width: 1280 }, "", async (page) => {
    await page.keyboard.press("End");
    assert.match((await page.textContent(".error-text"))!, /inner sizes differ/);
    assert.deepEqual(await numbersIn(page, ".big-shape"), ["4, 5", "2, 5"]);
    assert.deepEqual(await numbersIn(page, ".big-shape .wrong"), ["5", "2"]);
    assert.ok(await page.isVisible('.box[data-key="error"]'));
  });
});
test("NaN is marked where it began", async () => {
  await using("notFinite", samples.notFinite!(), { width: 1280 }, "#step=9", async (page) => {
    assert.match((await page.textContent(".notice.bad"))!, /NaN began at log #1/);
    await page.click("text=Go there");
    assert.equal(await page.textContent(".counter"), "1 / 15");
    assert.ok(await page.isVisible(".first-bad"));
  });
});
test("a second pass is a second layer, and grad() holds the sum of both", async () => {
  await using("twice", samples.twice!(), { width: 1280 }, "#entry=1&panel=entry", async (page, recording) => {
    await page.keyboard.press("End");
    assert.ok((await page.$$(".layer")).length >= 3);
    const [first, second, both] = (await numbersIn(page, ".beside td")).map((text) => Number(text.replace("−", "-")));
    assert.equal(first, second);
    assert.equal(both, 2 * first!);
    assert.equal(recording.passes, 2);
  });
});
test("snapshots are scrubbed and compared", async () => {
  await using("training", samples.training!(), { width: 1280 }, "", async (page, recording) => {
    await page.click('.jumps button:text("step 1")');
    assert.equal(await page.textContent("#panel h2"), "Snapshot: step 1");
    await page.click("#tab-compare");
    const row = await page.$$eval(".compare tbody tr", (rows) => rows[0]!.textContent);
    const [a, b] = [0, 2].map((i) => recording.tensor(recording.value(1, recording.segments[i]!.to)).data);
    const most = a!.reduce((largest, x, i) => Math.max(largest, Math.abs(x - b![i]!)), 0);
    assert.ok(row!.startsWith(`hidden.weight${format(most)}`), row!);
    await page.selectOption("#compare-b", "0");
    assert.ok((await numbersIn(page, ".compare td")).every((text) => text === "equal" || text === "–"));
  });
});

// Loops, long tapes -------------------------------------------------------------------------------

test("40 steps of a recurrent network are one loop; its turns follow the playback", async () => {
  await using("rnn", samples.rnn!(), { width: 1280 }, "", async (page) => {
    assert.ok((await page.$$(".box")).length < 30);
    assert.match((await page.textContent(".group.loop"))!, /×40/);
    for (let i = 0; i < 8; ++i) await page.keyboard.press("ArrowRight");
    assert.match((await page.textContent(".group.turn"))!, /4 of 40/);
    await page.click('.group.turn [aria-label="Step on"]');
    assert.match((await page.textContent(".group.turn"))!, /5 of 40/);
    await page.click("text=Show all 40");
    await page.waitForTimeout(100);
    assert.ok((await page.evaluate(() => location.hash)).includes("all"));
    await page.click('[aria-label="Show all"]');
    await page.waitForTimeout(150);
    assert.ok((await page.$$(".group.turn")).length >= 40);
  });
});
/** Milliseconds for one step, drawn. */
const paceOf = (page: Page) =>
  page.evaluate(async () => {
    const start = performance.now();
    for (let i = 0; i < 20; ++i) {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
      await new Promise(requestAnimationFrame);
    }
    return (performance.now() - start) / 20;
  });
test("20,000 entries: the page opens, steps and searches", async () => {
  let small = 0; // the pace of a small tape in the same run, for the machine may be busy
  await using("scalar", scalar(), { width: 1280 }, "", async (page) => {
    small = await paceOf(page);
  });
  await using("long", long(), { width: 1280 }, "", async (page) => {
    assert.ok((await page.$$(".box")).length < 120);
    const pace = await paceOf(page);
    console.log(`a step: ${Math.round(small)} ms with 6 entries, ${Math.round(pace)} ms with 20,000`);
    assert.ok(pace < 10 * small, `${pace} ms for a step, ${small} ms with a small tape`);
    await page.click(".group.part");
    await page.waitForTimeout(200);
    assert.ok((await page.$$(".group.part.open")).length >= 1);
    await page.fill("#search", "sum #20");
    await page.press("#search", "Enter");
    assert.match((await page.textContent("#panel h2"))!, /^sum #/);
  });
});

// Keyboard, links, light and dark ------------------------------------------------------------------

test("everything by keyboard", async () => {
  await using("mlp", samples.mlp!(), { width: 1280 }, "", async (page) => {
    await page.keyboard.press("End");
    await page.keyboard.press("Home");
    assert.match((await page.textContent(".counter"))!, /^1 \//);
    await page.keyboard.press("2");
    assert.equal(await page.getAttribute("#tab-entry", "aria-selected"), "true");
    await page.keyboard.press("/");
    await page.keyboard.type("hidden.weight");
    await page.keyboard.press("Enter");
    assert.equal(await page.textContent("#panel h2"), "hidden.weight");
    await page.focus('.box[data-key="n1"]');
    await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(80);
    await page.keyboard.press("Enter");
    assert.match((await page.textContent("#panel h2"))!, /^linear #/);
    await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(80);
    await page.keyboard.press("Enter");
    assert.match((await page.textContent("#panel h2"))!, /^tanh #/);
    assert.match((await page.textContent("#panel"))!, /not recorded yet/);
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.keyboard.press("End");
    await page.focus("#panel .number");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    assert.match((await page.textContent(".picked h3"))!, /\[1, 0\]/);
    await page.keyboard.press("?");
    assert.ok(await page.isVisible("#help"));
    await page.keyboard.press("Escape");
    assert.ok(!(await page.isVisible("#help")));
  });
});
test("space plays, and stops", async () => {
  await using("scalar", scalar(), { width: 1280 }, "", async (page) => {
    await page.selectOption(".transport select", "8");
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.keyboard.press(" ");
    await page.waitForFunction(() => Number(document.querySelector(".counter")!.textContent!.split(" ")[0]) > 3);
    await page.keyboard.press(" ");
    const stopped = await page.textContent(".counter");
    await page.waitForTimeout(300);
    assert.equal(await page.textContent(".counter"), stopped);
  });
});
test("a link shows the same step, entry and changes", async () => {
  await using("mlp", samples.mlp!(), { width: 1280 }, "", async (page) => {
    await page.click('.box[data-key="n1"]');
    await page.click('#panel .number[data-at="2"]');
    await page.fill("#new-value", "-0.75");
    await page.click("text=Set");
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    for (let i = 0; i < 5; ++i) await page.keyboard.press("ArrowRight");
    const shown = () =>
      page.evaluate(() => [
        document.querySelector(".counter")!.textContent,
        document.querySelector("#panel")!.textContent,
        document.querySelector("#notices")!.textContent,
      ]);
    const first = await shown();
    await page.reload();
    await page.waitForTimeout(60);
    assert.deepEqual(await shown(), first);
    assert.match(first[2]!, /changed 1 number/);
  });
});
test("light and dark, by the system and by the switch", async () => {
  const ground = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  for (const dark of [false, true]) {
    await using("scalar", scalar(), { width: 1280, dark }, "", async (page) => {
      const [light, black] = ["rgb(255, 255, 255)", "rgb(22, 24, 28)"];
      assert.equal(await ground(page), dark ? black : light);
      await page.click("#theme");
      assert.equal(await ground(page), dark ? light : black);
    });
  }
});
test("a page without a tape says so, and opens a file", async () => {
  const { page, problems } = await open(browser, new URL("../../tape.html", import.meta.url).href, { width: 390 });
  assert.ok(await page.isVisible("#welcome"));
  await page.setInputFiles("#welcome-file", {
    name: "wrong.json",
    mimeType: "application/json",
    buffer: Buffer.from('{"format": "x"}'),
  });
  await page.waitForFunction(() => document.querySelector("#welcome-error")!.textContent !== "");
  assert.match((await page.textContent("#welcome-error"))!, /needed "tapegrad tape"/);
  await page.setInputFiles("#welcome-file", {
    name: "tape.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(scalar())),
  });
  await page.waitForSelector(".graph");
  assert.equal(problems.filter((problem) => !problem.includes("needed")).length, 0);
  await page.context().close();
});
