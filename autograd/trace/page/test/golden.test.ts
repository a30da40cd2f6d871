// Each operation and each rule of the page against PyTorch's values in tests/golden/.
// Read next: test/replay.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { operations } from "../src/ops/index.ts";
import type { Call } from "../src/ops/operation.ts";
import { dense, sumTo, tensor, Tensor } from "../src/tensor.ts";
import { difference, parseCase, read } from "./golden.ts";

// Which inputs of a golden case are Tensors without history, by the names of the attributes.
const plain: Record<string, (string | null)[]> = {
  index_select: [null, "index"],
  gather: [null, "index"],
  scatter: [null, "index", null],
  scatter_add: [null, "index", null],
  scatter_reduce: [null, "index", null],
  index_add: [null, "index", null],
  masked_select: [null, "mask"],
  masked_fill: [null, "mask"],
  where: ["condition", null, null],
  embedding: [null, "ids"],
  cross_entropy: [null, "target", "weight"],
};

const golden = read("ops");
const rest = read("rest"); // of which the page has scatter_reduce
// Compositions of other entries, or inputs that the C++ test prepares.
const skipped =
  /gelu.tanh|softplus.options|cross_entropy.(prob|positions|one_sample)|cat.empty|_integers$|\.transposed$/;
let checked = 0;
const seen = new Set<string>();
for (const [name, text] of [...Object.entries(golden.cases), ...Object.entries(rest.cases)]) {
  const file = name in rest.cases ? rest : golden;
  const { op, attributes } = parseCase(text);
  const operation = operations[op];
  const notRecorded = skipped.test(name);
  if (!operation || notRecorded) continue;
  test(`${name} equals PyTorch's values and gradients`, () => {
    const tensors: Record<string, Tensor> = {};
    const inputs: Tensor[] = [];
    const numbers: number[] = [];
    for (let i = 0; file.has(`${name}.in${i}`); ++i) {
      const as = plain[op]?.[i];
      const value = file.get(`${name}.in${i}`);
      if (as) tensors[as] = value;
      else (inputs.push(value), numbers.push(i));
    }
    if (attributes.scalar_right !== undefined)
      attributes[op === "pow" ? "exponent" : "other"] = attributes.scalar_right;
    if (attributes.scalar_left !== undefined) attributes.input = attributes.scalar_left;
    const expected = file.get(`${name}.out0`);
    const call: Call = { inputs, attributes, shape: expected.shape, dtype: "float64", tensor: (key) => tensors[key] };
    const y = operation.forward(call);
    assert.ok(difference(y, expected) < 1e-10, `value differs by ${difference(y, expected)}`);
    if (!file.has(`${name}.g0`)) return;
    const dy = file.get(`${name}.g0`);
    numbers.forEach((number, i) => {
      if (!file.has(`${name}.grad${number}`)) return;
      const raw = operation.rule(call, y, dy, i);
      const dx = sumTo("ids" in raw ? dense(raw) : raw, inputs[i]!.shape);
      const wrong = difference(dx, file.get(`${name}.grad${number}`));
      assert.ok(wrong < 1e-9, `gradient ${number} differs by ${wrong}`);
      ++checked;
    });
    seen.add(op);
  });
}

/** Checks forward and all gradients of one call; `names` are the golden names of the inputs' gradients. */
function check(
  file: typeof golden,
  op: string,
  call: Call,
  expected: Tensor,
  dy: Tensor,
  gradients: (string | null)[],
): void {
  const operation = operations[op]!;
  const y = operation.forward(call);
  assert.ok(difference(y, expected) < 1e-10, `value differs by ${difference(y, expected)}`);
  gradients.forEach((name, i) => {
    if (name === null || !file.has(name) || !call.inputs[i]) return;
    const raw = operation.rule(call, y, dy, i);
    const dx = sumTo("ids" in raw ? dense(raw) : raw, call.inputs[i]!.shape);
    const wanted = file.get(name);
    const wrong = difference(new Tensor(wanted.shape, dx.data), wanted);
    assert.ok(wrong < 1e-9, `${name} differs by ${wrong}`);
    ++checked;
  });
}
const stacked = (a: Tensor, b: Tensor, shape: readonly number[]) => tensor(shape, [...a.data, ...b.data]);

const recurrent = read("recurrent");
for (const [name, text] of Object.entries(recurrent.cases)) {
  const { op, attributes } = parseCase(text);
  if (!/^(rnn|gru|lstm)$/.test(op) || /batch_first|bidirectional|num_layers|lengths|dropout|proj/.test(text)) continue;
  if (!recurrent.has(`${name}.in0`) || !recurrent.has(`${name}.g0`)) continue;
  test(`${name} equals PyTorch's values and gradients`, () => {
    const lstm = op === "lstm";
    const names = [
      "in0",
      "param.weight_ih_l0",
      "param.weight_hh_l0",
      "param.bias_ih_l0",
      "param.bias_hh_l0",
      "in1",
      "in2",
    ];
    const inputs = names.map((each) =>
      recurrent.has(`${name}.${each}`) ? recurrent.get(`${name}.${each}`) : undefined,
    );
    const x = inputs[0]!;
    if (x.dim === 2) inputs[0] = tensor([x.shape[0]!, 1, x.shape[1]!], x.data);
    const [steps, batch] = inputs[0]!.shape as unknown as [number, number];
    const hidden = inputs[2]!.shape[1]!;
    const [y, dy] = ["out", "g"].map((each) => {
      const first = recurrent.get(`${name}.${each}0`);
      const states = tensor([steps, batch, hidden], first.data);
      return lstm ? stacked(states, recurrent.get(`${name}.${each}2`), [steps + 1, batch, hidden]) : states;
    }) as [Tensor, Tensor];
    // The gradient of the last h reaches the last step.
    recurrent.get(`${name}.g1`).data.forEach((d, i) => (dy.data[(steps - 1) * batch * hidden + i]! += d));
    const call: Call = { inputs, attributes, shape: y.shape, dtype: "float64", tensor: () => undefined };
    check(
      recurrent,
      op,
      call,
      y,
      dy,
      names.map((each) => `${name}.${each.replace(/^(in|param)/, "grad")}`),
    );
    seen.add(op);
  });
}

for (const kind of ["rnn", "gru", "lstm"]) {
  test(`${kind}_cell equals ${kind} with one step`, () => {
    const gates = { rnn: 1, gru: 3, lstm: 4 }[kind]!;
    const some = (...shape: number[]) =>
      tensor(
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 7.3 + shape.length)),
      );
    const inputs = [
      some(2, 3),
      some(gates * 4, 3),
      some(gates * 4, 4),
      some(gates * 4),
      some(gates * 4),
      some(2, 4),
      some(2, 4),
    ];
    const states = kind === "lstm" ? [2, 2, 4] : [2, 4];
    const cell: Call = { inputs, attributes: {}, shape: states, dtype: "float64", tensor: () => undefined };
    const whole: Call = {
      ...cell,
      inputs: [tensor([1, 2, 3], inputs[0]!.data), ...inputs.slice(1)],
      shape: [kind === "lstm" ? 2 : 1, 2, 4],
    };
    const [one, y] = [operations[`${kind}_cell`]!, operations[kind]!.forward(whole)];
    assert.deepEqual(one.forward(cell).data, y.data);
    const dy = some(...states);
    const expected = operations[kind]!.rule(whole, y, tensor(y.shape, dy.data), 2) as Tensor;
    assert.deepEqual((one.rule(cell, one.forward(cell), dy, 2) as Tensor).data, expected.data);
  });
}

const tables = read("embedding");
for (const [name, text] of Object.entries(tables.cases)) {
  const { op, attributes } = parseCase(text);
  if (!/^embedding(_bag)?$/.test(op) || text.includes("max_norm") || !tables.has(`${name}.g0`)) continue;
  test(`${name} equals PyTorch's values and gradients`, () => {
    const given = (key: string) => (tables.has(`${name}.${key}`) ? tables.get(`${name}.${key}`) : undefined);
    const ids = given("in0")!;
    const offsets = ids.dim === 1 && op === "embedding_bag" ? given("in1") : undefined;
    const weights = given("in2");
    if (attributes.scale_grad_by_freq) attributes.scale_grad_by_freq = "inverse";
    const call: Call = {
      inputs: [given("param.weight"), weights],
      attributes,
      shape: given("out0")!.shape,
      dtype: "float64",
      tensor: (key) => (key === "ids" ? ids : key === "offsets" ? offsets : undefined),
    };
    check(tables, op, call, given("out0")!, given("g0")!, [`${name}.grad.weight`, `${name}.grad2`]);
    seen.add(op);
  });
}

test("the golden file covers the operations", () => {
  assert.ok(checked > 300, `${checked} gradients were checked`);
  assert.ok(seen.size > 75, `${seen.size} operations were seen`);
});

// Layers of images; the padding that "same" means, and the filled one, are other entries.
const imageFile = read("images");
const layers: Record<string, string[]> = {
  conv2d: ["in0", "param.weight", "param.bias"],
  max_pool2d: ["in0"],
  avg_pool2d: ["in0"],
};
let images = 0;
for (const name of Object.keys(imageFile.cases)) {
  const op = name.split(".")[0]!;
  const option = (key: string) =>
    imageFile.has(`${name}.arg.${key}`) ? imageFile.get(`${name}.arg.${key}`).data : undefined;
  const other =
    option("padding_mode") || option("padding")?.[0] === -1 || option("divisor_override") || option("ceil_mode");
  if (!(op in layers) || other || imageFile.get(`${name}.in0`).dim !== 4) continue;
  if (op === "avg_pool2d" && (option("padding") || option("divisor_override"))) continue;
  test(`${name} equals PyTorch's values and gradients`, () => {
    const pair = (key: string, otherwise: number[]) => {
      const given = option(key);
      return given ? (given.length === 1 ? [given[0]!, given[0]!] : [...given]) : otherwise;
    };
    const kernel = pair("kernel_size", [1, 1]);
    const attributes = {
      kernel_size: kernel,
      stride: pair("stride", op === "conv2d" ? [1, 1] : kernel),
      padding: pair("padding", [0, 0]),
      dilation: pair("dilation", [1, 1]),
      groups: option("groups")?.[0] ?? 1,
    };
    const inputs = layers[op]!.map((role) =>
      imageFile.has(`${name}.${role}`) ? imageFile.get(`${name}.${role}`) : undefined,
    );
    const expected = imageFile.get(`${name}.out0`);
    const divisors = tensor([1], [kernel[0]! * kernel[1]!]);
    const call: Call = { inputs, attributes, shape: expected.shape, dtype: "float64", tensor: () => divisors };
    const gradients = layers[op]!.map((role) => `${name}.${role === "in0" ? "grad0" : role.replace("param", "grad")}`);
    check(imageFile, op, call, expected, imageFile.get(`${name}.g0`), gradients);
    ++images;
  });
}
test("the file of images has cases", () => assert.ok(images > 40, `${images}`));
