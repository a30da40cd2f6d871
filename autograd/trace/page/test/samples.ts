// Programs whose tapes the tests play: the lessons' kinds, in small. Read next: test/golden.test.ts.
import type { TapeJson } from "../src/format.ts";
import { Recorder } from "./recorder.ts";

/** Numbers in [-1, 1), the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
const some = (next: () => number, n: number, scale = 1) =>
  Array.from({ length: n }, () => Math.round(next() * scale * 1000) / 1000);

/** y = tanh(a b + c) a, where a is used twice. */
export function scalar(start = 2): TapeJson {
  const r = new Recorder("A scalar expression", "float64");
  const [a, b, c] = [
    r.leaf("parameter", "a", [], [start]),
    r.leaf("parameter", "b", [], [-0.5]),
    r.leaf("parameter", "c", [], [1.25]),
  ];
  r.line = 12;
  const sum = r.op("add", [r.op("mul", [a, b], []), c], []);
  r.line = 13;
  const y = r.op("mul", [r.op("tanh", [sum], []), a], []);
  r.line = 14;
  const loss = r.op("square", [r.op("sub", [y], [], { other: 1 })], []);
  r.backward(loss);
  r.sgd(0.1);
  return r.tape;
}

function mlpStep(
  r: Recorder,
  p: { x: number; t: { tensor: number }; w1: number; b1: number; w2: number; b2: number },
  rows: number,
  hidden: number,
): number {
  r.line = 31;
  const h = r.within("hidden", `Linear(2, ${hidden})`, 1, () => r.op("linear", [p.x, p.w1, p.b1], [rows, hidden]));
  const active = r.op("tanh", [h], [rows, hidden]);
  r.line = 32;
  const logits = r.within("head", `Linear(${hidden}, 2)`, 1, () => r.op("linear", [active, p.w2, p.b2], [rows, 2]));
  r.line = 33;
  return r.op("cross_entropy", [logits], [], { target: p.t, reduction: "mean" });
}
function mlpLeaves(r: Recorder, rows: number, hidden: number) {
  const next = random(7);
  return {
    x: r.leaf("data", "x", [rows, 2], some(next, rows * 2)),
    w1: r.leaf("parameter", "hidden.weight", [hidden, 2], some(next, hidden * 2, 0.7)),
    b1: r.leaf("parameter", "hidden.bias", [hidden], some(next, hidden, 0.3)),
    w2: r.leaf("parameter", "head.weight", [2, hidden], some(next, hidden * 2, 0.7)),
    b2: r.leaf("parameter", "head.bias", [2], [0.1, -0.1]),
    t: r.constant(
      [rows],
      Array.from({ length: rows }, (_, i) => i % 2),
    ),
  };
}
/** A network with one hidden layer on points of the plane. */
export function mlp(): TapeJson {
  const r = new Recorder("A small network on points of the plane");
  r.backward(mlpStep(r, mlpLeaves(r, 4, 3), 4, 3));
  r.sgd(0.5);
  return r.tape;
}
/** The same, three steps, with a snapshot after each. */
export function training(): TapeJson {
  const r = new Recorder("Three steps of training");
  const leaves = mlpLeaves(r, 32, 8);
  for (let step = 0; step < 3; ++step) {
    r.backward(mlpStep(r, leaves, 32, 8));
    r.sgd(0.5);
    r.zeroGrad();
    r.step({ kind: "snapshot", title: `step ${step}` });
  }
  return r.tape;
}
/** matmul, an added row and a mean, from primitives: a row whose broadcasting is undone. */
export function primitives(): TapeJson {
  const r = new Recorder("A layer from primitives");
  const next = random(3);
  const x = r.leaf("data", "x", [3, 2], some(next, 6));
  const [w, b] = [r.leaf("parameter", "w", [2, 4], some(next, 8)), r.leaf("parameter", "b", [4], some(next, 4))];
  r.line = 8;
  const y = r.op("tanh", [r.op("add", [r.op("matmul", [x, w], [3, 4]), b], [3, 4])], [3, 4]);
  r.line = 9;
  r.backward(r.op("mean", [r.op("square", [y], [3, 4])], []));
  r.sgd(0.1);
  return r.tape;
}
/** A bag of words, whose table gets a row-sparse gradient. */
export function bag(): TapeJson {
  const r = new Recorder("A bag of words with Adam");
  const next = random(11);
  const table = r.leaf("parameter", "embedding.weight", [500, 4], some(next, 2000));
  const [w, b] = [
    r.leaf("parameter", "head.weight", [2, 4], some(next, 8)),
    r.leaf("parameter", "head.bias", [2], [0, 0]),
  ];
  r.line = 21;
  const ids = r.constant([2, 3], [5, 17, 5, 401, 17, 9]);
  const mean = r.within("embedding", "EmbeddingBag(500, 4)", 1, () =>
    r.op("embedding_bag", [table], [2, 4], { ids, mode: "mean" }),
  );
  const logits = r.within("head", "Linear(4, 2)", 1, () => r.op("linear", [mean, w, b], [2, 2]));
  r.backward(r.op("cross_entropy", [logits], [], { target: r.constant([2], [0, 1]), reduction: "mean" }));
  r.adam(0.01);
  return r.tape;
}
/** 40 steps of a recurrent cell over a looked-up sequence. */
export function rnn(steps = 40): TapeJson {
  const r = new Recorder("A recurrent network over 40 words");
  const next = random(5);
  const [batch, dim, hidden, words] = [2, 3, 4, 20];
  const table = r.leaf("parameter", "embedding.weight", [words, dim], some(next, words * dim));
  const cell = [
    r.leaf("parameter", "cell.weight_ih", [hidden, dim], some(next, hidden * dim, 0.6)),
    r.leaf("parameter", "cell.weight_hh", [hidden, hidden], some(next, hidden * hidden, 0.6)),
    r.leaf("parameter", "cell.bias_ih", [hidden], some(next, hidden, 0.2)),
    r.leaf("parameter", "cell.bias_hh", [hidden], some(next, hidden, 0.2)),
  ];
  const head = [
    r.leaf("parameter", "head.weight", [3, hidden], some(next, 3 * hidden)),
    r.leaf("parameter", "head.bias", [3], [0, 0, 0]),
  ];
  let h = r.leaf("data", "h", [batch, hidden], new Array<number>(batch * hidden).fill(0));
  r.within("", "TextClassifier", 1, () => {
    r.line = 40;
    const ids = r.constant(
      [batch, steps],
      Array.from({ length: batch * steps }, () => Math.floor((next() + 1) * words * 0.5)),
    );
    const x = r.within("embedding", `Embedding(${words}, ${dim})`, 1, () =>
      r.op("embedding", [table], [batch, steps, dim], { ids }),
    );
    for (let t = 0; t < steps; ++t) {
      r.line = 42;
      const word = r.op("select", [x], [batch, dim], { dim: 1, index: t });
      h = r.within("cell", `RNNCell(${dim}, ${hidden})`, t + 1, () =>
        r.op("rnn_cell", [word, ...cell, h], [batch, hidden], { nonlinearity: "tanh" }),
      );
    }
    r.line = 43;
    const logits = r.within("head", `Linear(${hidden}, 3)`, 1, () => r.op("linear", [h, ...head], [batch, 3]));
    r.line = 44;
    r.backward(r.op("cross_entropy", [logits], [], { target: r.constant([batch], [0, 2]), reduction: "mean" }));
  });
  r.sgd(0.1);
  return r.tape;
}
/** backward() twice over the same entries, without zero_grad() between. */
export function twice(): TapeJson {
  const r = new Recorder("backward() twice", "float64");
  const [w, b] = [r.leaf("parameter", "w", [3], [0.5, -1, 2]), r.leaf("parameter", "b", [], [0.25])];
  r.line = 5;
  const loss = r.op("sum", [r.op("square", [r.op("mul", [w, b], [3])], [3])], []);
  r.backward(loss, true);
  r.backward(loss);
  return r.tape;
}
/** A matmul whose inner sizes differ. */
export function failing(): TapeJson {
  const r = new Recorder("A program that failed");
  const next = random(2);
  const x = r.leaf("data", "x", [4, 3], some(next, 12));
  const [w1, w2] = [
    r.leaf("parameter", "w1", [3, 5], some(next, 15)),
    r.leaf("parameter", "w2", [2, 5], some(next, 10)),
  ];
  r.line = 17;
  const h = r.op("relu", [r.op("matmul", [x, w1], [4, 5])], [4, 5]);
  r.step({
    kind: "error",
    op: "matmul",
    text: "matmul: inner sizes differ: (4, 5) x (2, 5); did you mean transpose(b)?",
    inputs: [h, w2],
    source: { file: "main.cc", line: 18 },
  });
  return r.tape;
}
/** log of a negative number. */
export function notFinite(): TapeJson {
  const r = new Recorder("NaN", "float64");
  const w = r.leaf("parameter", "w", [2, 2], [1, 2, -0.5, 0.25]);
  r.line = 3;
  r.backward(r.op("mean", [r.op("mul", [r.op("log", [w], [2, 2]), w], [2, 2])], []));
  return r.tape;
}
/** A long tape: blocks of five entries in a tower of modules. */
export function long(entries = 20000): TapeJson {
  const r = new Recorder(`${entries} entries`);
  const w = r.leaf("parameter", "w", [2], [0.001, -0.001]);
  let x = r.leaf("data", "x", [2], [0.3, 0.1]);
  const blocks = Math.floor(entries / 5);
  for (let block = 0; block < blocks; ++block) {
    const body = () => {
      const y = r.op("tanh", [r.op("mul", [x, w], [2])], [2]);
      x = r.op("add", [r.op("sigmoid", [y], [2]), r.op("neg", [x], [2])], [2]);
    };
    if (block % 2 === 0) r.within(`block${block % 40}`, "Block()", 1 + Math.floor(block / 40), body);
    else body();
  }
  r.backward(r.op("sum", [x], []));
  return r.tape;
}
/** An operation that the page does not know. */
export function unknown(): TapeJson {
  const r = new Recorder("An operation of the program's own", "float64");
  const x = r.leaf("parameter", "x", [2], [0.5, -1.5]);
  r.line = 9;
  const y = r.op("pow", [x], [2], { exponent: 3 });
  r.backward(r.op("sum", [y], []));
  Object.assign(r.tape.nodes[y]!, { op: "cube", attributes: undefined });
  return r.tape;
}

export const samples: Record<string, () => TapeJson> = {
  scalar: () => scalar(),
  mlp,
  training,
  primitives,
  bag,
  rnn: () => rnn(),
  twice,
  failing,
  notFinite,
  unknown,
};
