// The formula and the rules of each operation, as the learner reads them. dy is the gradient that
// comes in, dx the one that goes out; ⊙ is a product element by element. Read next: src/texts.ts.

export interface Formula {
  inputs: string[]; // names of the arguments, in their order
  forward: string;
  rules: string[]; // one for each input
}

const of = (inputs: string, forward: string, ...rules: string[]): Formula => ({
  inputs: inputs.split(" "),
  forward,
  rules,
});
const unary = (forward: string, factor: string) => of("x", `y = ${forward}`, `dx = dy ⊙ ${factor}`);
const flat = (forward: string) => of("x", `y = ${forward}`, "dx = 0");
const product = of("a b", "y = a b", "da = dy bᵀ", "db = aᵀ dy");
const moved = (forward: string, rule: string) => of("x", `y = ${forward}`, `dx = ${rule}`);
const sameOrder = (name: string) => moved(`${name}(x)`, "dy in the shape of x");
const placed = (forward: string) => moved(forward, "zeros, with dy at the places that y came from");

const cell = (forward: string, da: string, state = "h"): Formula =>
  of(
    "x W_ih W_hh b_ih b_hh h c",
    `a = W_ih x + b_ih,  b = W_hh ${state} + b_hh,  ${forward}`,
    `dx = W_ihᵀ da,  ${da}`,
    `dW_ih = da xᵀ,  ${da}`,
    `dW_hh = db hᵀ,  ${da}`,
    `db_ih = da,  ${da}`,
    `db_hh = db,  ${da}`,
    `dh = W_hhᵀ db + what flows beside it,  ${da}`,
    `dc = dc' ⊙ f,  ${da}`,
  );
const sequence = (one: Formula): Formula => ({
  inputs: one.inputs,
  forward: `for each step: ${one.forward}`,
  rules: one.rules.map(
    (rule, i) =>
      (i < 5 && i > 0 ? rule.replace(" = ", " = sum over the steps of ") : rule) +
      ",  from the last step back to the first",
  ),
});
const rnn = cell("h' = tanh(a + b)", "da = db = dh' ⊙ (1 − h'²)");
const gru = cell("r, z = σ(a + b),  n = tanh(a + r ⊙ b),  h' = n + z ⊙ (h − n)", "dn = dh' ⊙ (1 − z) ⊙ (1 − n²)");
const lstm = cell(
  "i, f, o = σ(a + b),  g = tanh(a + b),  c' = f ⊙ c + i ⊙ g,  h' = o ⊙ tanh(c')",
  "dc' += dh' ⊙ o ⊙ (1 − tanh(c')²)",
);

export const formulas: Record<string, Formula> = {
  add: of("a b", "y = a + b", "da = dy", "db = dy"),
  sub: of("a b", "y = a − b", "da = dy", "db = −dy"),
  mul: of("a b", "y = a ⊙ b", "da = dy ⊙ b", "db = dy ⊙ a"),
  div: of("a b", "y = a / b", "da = dy / b", "db = −dy ⊙ y / b"),
  remainder: of("a b", "y = a − b ⌊a / b⌋", "da = dy", "db = −dy ⊙ ⌊a / b⌋"),
  pow: of("a b", "y = a^b", "da = dy ⊙ b ⊙ a^(b − 1)", "db = dy ⊙ y ⊙ log a"),
  maximum: of(
    "a b",
    "y = max(a, b)",
    "da = dy where a > b, dy / 2 where a = b, else 0",
    "db = dy where b > a, dy / 2 where a = b, else 0",
  ),
  minimum: of(
    "a b",
    "y = min(a, b)",
    "da = dy where a < b, dy / 2 where a = b, else 0",
    "db = dy where b < a, dy / 2 where a = b, else 0",
  ),
  where: of(
    "a b",
    "y = a where the condition holds, else b",
    "da = dy where the condition holds, else 0",
    "db = 0 where the condition holds, else dy",
  ),
  to: of("x", "y = x in another type", "dx = dy in the type of x"),
  neg: of("x", "y = −x", "dx = −dy"),
  abs: unary("|x|", "sign(x)"),
  sign: flat("sign(x)"),
  floor: flat("⌊x⌋"),
  ceil: flat("⌈x⌉"),
  round: flat("round(x)"),
  square: unary("x²", "2x"),
  reciprocal: unary("1 / x", "(−y²)"),
  sqrt: unary("√x", "1 / (2y)"),
  rsqrt: unary("1 / √x", "(−y³ / 2)"),
  exp: unary("eˣ", "y"),
  expm1: unary("eˣ − 1", "(y + 1)"),
  log: unary("log x", "1 / x"),
  log1p: unary("log(1 + x)", "1 / (1 + x)"),
  log2: unary("log₂ x", "1 / (x log 2)"),
  sin: unary("sin x", "cos x"),
  cos: unary("cos x", "(−sin x)"),
  tan: unary("tan x", "(1 + y²)"),
  erf: unary("erf x", "2/√π e^(−x²)"),
  tanh: unary("tanh x", "(1 − y²)"),
  sigmoid: unary("1 / (1 + e^(−x))", "y ⊙ (1 − y)"),
  relu: of("x", "y = max(x, 0)", "dx = dy where y > 0, else 0"),
  leaky_relu: unary("x where x > 0, else slope · x", "(1 where x > 0, else slope)"),
  elu: unary("x where x > 0, else α (eˣ − 1)", "(1 where x > 0, else y + α)"),
  gelu: unary("x Φ(x)", "(Φ(x) + x φ(x))"),
  silu: unary("x σ(x)", "σ(x) (1 + x (1 − σ(x)))"),
  softplus: unary("log(1 + eˣ)", "σ(x)"),
  log_of_one_plus_exp: unary("log(1 + eˣ)", "σ(x)"),
  clamp: of("x", "y = x, kept within [min, max]", "dx = dy where min ≤ x ≤ max, else 0"),
  sum: of("x", "y = Σ x", "dx = dy, repeated"),
  mean: of("x", "y = Σ x / n", "dx = dy / n, repeated"),
  var: of("x", "y = Σ (x − mean)² / (n − 1)", "dx = dy · 2 (x − mean) / (n − 1)"),
  std: of("x", "y = √var", "dx = dy · (x − mean) / ((n − 1) y)"),
  prod: of("x", "y = Π x", "dx = dy · (product of the other elements)"),
  norm: of("x", "y = (Σ |x|^p)^(1/p)", "dx = dy · sign(x) (|x| / y)^(p − 1)"),
  cumsum: of("x", "yᵢ = x₀ + … + xᵢ", "dxᵢ = dyᵢ + … + dyₙ"),
  sum_to: of("x", "y = x, summed to a smaller shape", "dx = dy, repeated"),
  max: of("x", "y = the largest x", "dx = dy at the largest element, else 0"),
  min: of("x", "y = the smallest x", "dx = dy at the smallest element, else 0"),
  amax: of("x", "y = the largest x", "dx = dy, shared by the largest elements"),
  amin: of("x", "y = the smallest x", "dx = dy, shared by the smallest elements"),
  sort: placed("x in order"),
  topk: placed("the k largest x"),
  softmax: of("x", "y = eˣ / Σ eˣ", "dx = y ⊙ (dy − Σ dy ⊙ y)"),
  log_softmax: of("x", "y = x − log Σ eˣ", "dx = dy − eʸ Σ dy"),
  logsumexp: of("x", "y = log Σ eˣ", "dx = dy · e^(x − y)"),
  layer_norm: of(
    "x weight bias",
    "n = (x − mean) / √(var + ε),  y = n ⊙ weight + bias",
    "g = dy ⊙ weight,  dx = (g − mean g − n ⊙ mean(g ⊙ n)) / √(var + ε)",
    "dweight = dy ⊙ n",
    "dbias = dy",
  ),
  matmul: product,
  mm: product,
  bmm: product,
  mv: product,
  dot: of("a b", "y = Σ a ⊙ b", "da = dy · b", "db = dy · a"),
  outer: of("a b", "yᵢⱼ = aᵢ bⱼ", "da = dy b", "db = dyᵀ a"),
  addmm: of("c a b", "y = β c + α a b", "dc = β dy", "da = α dy bᵀ", "db = α aᵀ dy"),
  linear: of("x W b", "y = x Wᵀ + b", "dx = dy W", "dW = dyᵀ x", "db = dy"),
  reshape: sameOrder("reshape"),
  view: sameOrder("view"),
  flatten: sameOrder("flatten"),
  unflatten: sameOrder("unflatten"),
  squeeze: sameOrder("squeeze"),
  unsqueeze: sameOrder("unsqueeze"),
  contiguous: of("x", "y = x", "dx = dy"),
  clone: of("x", "y = x", "dx = dy"),
  gate: of("x", "y = x", "dx = dy, after the backward hook of the module"),
  collect: of("x", "y = x", "dx = dy, collected for the backward hook of the module"),
  permute: moved("x with its dimensions in another order", "dy with its dimensions put back"),
  transpose: moved("xᵀ", "dyᵀ"),
  expand: moved("x, repeated", "dy, summed over the repetitions"),
  broadcast_to: moved("x, repeated", "dy, summed over the repetitions"),
  cat: of("a b", "y = a, then b", "da = the first part of dy", "db = the second part of dy"),
  repeat: moved("x, repeated", "dy, summed over the repetitions"),
  flip: moved("x in reverse order", "dy in reverse order"),
  roll: moved("x, moved around", "dy, moved back"),
  tril: moved("x, 0 above the diagonal", "dy, 0 above the diagonal"),
  triu: moved("x, 0 below the diagonal", "dy, 0 below the diagonal"),
  select: placed("one slice of x"),
  narrow: placed("a part of x"),
  slice: placed("a part of x"),
  place: moved("zeros, with x in its place", "that part of dy"),
  index_select: moved("x at the indices", "zeros, with dy added at the indices"),
  gather: moved("x at the indices", "zeros, with dy added at the indices"),
  scatter: of(
    "x source",
    "y = x, with source written at the indices",
    "dx = dy, but 0 at the indices",
    "dsource = dy at the indices",
  ),
  scatter_add: of("x source", "y = x, with source added at the indices", "dx = dy", "dsource = dy at the indices"),
  scatter_reduce: of(
    "x source",
    "y = x, reduced with source at the indices (sum, mean, prod, amax, amin)",
    "dx = dy times the derivative of the reduction",
    "dsource = the same, with dy at the indices",
  ),
  index_add: of("x source", "y = x, with source added at the indices", "dx = dy", "dsource = dy at the indices"),
  masked_select: placed("x where the mask holds"),
  masked_fill: moved("a fixed value where the mask holds, else x", "0 where the mask holds, else dy"),
  conv2d: of(
    "x W b",
    "y = b + Σ over the windows' places of W ⊙ x",
    "dx = Σ over the windows that see x of W ⊙ dy",
    "dW = Σ over batch and windows of dy ⊙ x",
    "db = Σ dy over batch and windows",
  ),
  max_pool1d: moved("the largest x of each window", "dy at the largest element of each window, else 0"),
  max_pool2d: moved("the largest x of each window", "dy at the largest element of each window, else 0"),
  avg_pool1d: moved("the mean of each window", "dy / the size of the window, summed where windows overlap"),
  avg_pool2d: moved("the mean of each window", "dy / the size of the window, summed where windows overlap"),
  unfold: moved("the windows of x", "dy, summed where windows overlap"),
  fold: moved("x, summed where windows overlap", "the windows of dy"),
  embedding: of("W", "yᵢ = W[idᵢ]", "dW[id] = Σ dyᵢ over all i with idᵢ = id; the other rows get nothing"),
  embedding_bag: of(
    "W w",
    "y_b = Σ wᵢ W[idᵢ] over the bag b (divided by its size for a mean)",
    "dW[id] = Σ wᵢ dy_b over all i with idᵢ = id; the other rows get nothing",
    "dwᵢ = dy_b · W[idᵢ]",
  ),
  rnn: sequence(rnn),
  gru: sequence(gru),
  lstm: sequence(lstm),
  rnn_cell: rnn,
  gru_cell: gru,
  lstm_cell: lstm,
  cross_entropy: of("x", "p = softmax(x),  y = mean of −log p[target]", "dx = dy · (p − target as one-hot) / n"),
  bce_loss: of(
    "x t",
    "y = −(t log x + (1 − t) log(1 − x))",
    "dx = dy ⊙ (x − t) / (x (1 − x))",
    "dt = dy ⊙ (log(1 − x) − log x)",
  ),
};

/** The name of input i: "a" in y = a b. With a Scalar on the left, the only input is the second one. */
export function inputName(op: string, i: number, scalarOnTheLeft: boolean): string {
  return formulas[op]?.inputs[i + (scalarOnTheLeft ? 1 : 0)] ?? `x${i}`;
}
export function ruleOf(op: string, i: number, scalarOnTheLeft: boolean): string | undefined {
  return formulas[op]?.rules[i + (scalarOnTheLeft ? 1 : 0)];
}
