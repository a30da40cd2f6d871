// The steps of optimizers, so that a changed gradient or learning rate moves a parameter anew. Read
// next: src/formulas.ts.
import { numel, type Update } from "./format.ts";
import type { Recording } from "./recording.ts";
import { as, dense, rowsOf, sub, Tensor, zip, type RowSparse } from "./tensor.ts";

/** One element of a parameter, with its gradient and its moments; a rule changes p and m. */
interface Element {
  p: number;
  g: number;
  m: Record<string, number>;
}
/** The options of an optimizer, with PyTorch's defaults, and the number of the parameter's step: 1, 2, ... */
type Options = Record<string, number | boolean> & { lr: number; number: number };
type Rule = (x: Element, o: Options) => void;

const fraction = (o: Options, name: string, standard: number) => Number(o[name] ?? standard);

const sgd: Rule = (x, o) => {
  const momentum = fraction(o, "momentum", 0);
  let g = x.g + fraction(o, "weight_decay", 0) * x.p;
  if (momentum !== 0) {
    const b = o.number === 1 ? g : momentum * x.m.momentum_buffer! + (1 - fraction(o, "dampening", 0)) * g;
    x.m.momentum_buffer = b;
    g = o.nesterov ? g + momentum * b : b;
  }
  x.p -= o.lr * g;
};
function adam(decoupled: boolean, sparse = false): Rule {
  return (x, o) => {
    const [beta1, beta2] = [fraction(o, "beta1", 0.9), fraction(o, "beta2", 0.999)];
    const decay = fraction(o, "weight_decay", decoupled ? 0.01 : 0);
    const g = decoupled ? x.g : x.g + decay * x.p;
    if (decoupled) x.p *= 1 - o.lr * decay;
    const m = (x.m.exp_avg = beta1 * x.m.exp_avg! + (1 - beta1) * g);
    const v = (x.m.exp_avg_sq = beta2 * x.m.exp_avg_sq! + (1 - beta2) * g * g);
    if (o.amsgrad) x.m.max_exp_avg_sq = Math.max(x.m.max_exp_avg_sq!, v);
    const root = Math.sqrt(o.amsgrad ? x.m.max_exp_avg_sq! : v);
    const bias1 = 1 - beta1 ** o.number;
    const root2 = Math.sqrt(1 - beta2 ** o.number);
    const eps = fraction(o, "eps", 1e-8);
    // Steps over rows add eps before they correct the bias of v.
    x.p -=
      sparse || o.sparse ? ((o.lr * root2) / bias1) * (m / (root + eps)) : ((o.lr / bias1) * m) / (root / root2 + eps);
  };
}
const adagrad: Rule = (x, o) => {
  const g = x.g + fraction(o, "weight_decay", 0) * x.p;
  x.m.sum! += g * g;
  const rate = o.lr / (1 + (o.number - 1) * fraction(o, "lr_decay", 0));
  x.p -= (rate * g) / (Math.sqrt(x.m.sum!) + fraction(o, "eps", 1e-10));
};
const adadelta: Rule = (x, o) => {
  const [rho, eps] = [fraction(o, "rho", 0.9), fraction(o, "eps", 1e-6)];
  const g = x.g + fraction(o, "weight_decay", 0) * x.p;
  const v = (x.m.square_avg = rho * x.m.square_avg! + (1 - rho) * g * g);
  const d = (Math.sqrt(x.m.acc_delta! + eps) / Math.sqrt(v + eps)) * g;
  x.m.acc_delta = rho * x.m.acc_delta! + (1 - rho) * d * d;
  x.p -= o.lr * d;
};
const rmsprop: Rule = (x, o) => {
  const [alpha, momentum] = [fraction(o, "alpha", 0.99), fraction(o, "momentum", 0)];
  const g = x.g + fraction(o, "weight_decay", 0) * x.p;
  let variance = (x.m.square_avg = alpha * x.m.square_avg! + (1 - alpha) * g * g);
  if (o.centered) {
    const mean = (x.m.grad_avg = alpha * x.m.grad_avg! + (1 - alpha) * g);
    variance = Math.max(variance - mean * mean, 0);
  }
  let d = g / (Math.sqrt(variance) + fraction(o, "eps", 1e-8));
  if (momentum > 0) d = x.m.momentum_buffer = momentum * x.m.momentum_buffer! + d;
  x.p -= o.lr * d;
};
const nadam: Rule = (x, o) => {
  const [beta1, beta2] = [fraction(o, "beta1", 0.9), fraction(o, "beta2", 0.999)];
  const mu = (step: number) => beta1 * (1 - 0.5 * 0.96 ** (step * fraction(o, "momentum_decay", 4e-3)));
  const g = x.g + fraction(o, "weight_decay", 0) * x.p;
  const m = (x.m.exp_avg = beta1 * x.m.exp_avg! + (1 - beta1) * g);
  const v = (x.m.exp_avg_sq = beta2 * x.m.exp_avg_sq! + (1 - beta2) * g * g);
  const product = (x.m.mu_product! *= mu(o.number));
  const next = mu(o.number + 1);
  const root = Math.sqrt(v / (1 - beta2 ** o.number)) + fraction(o, "eps", 1e-8);
  x.p -= (o.lr * (((1 - mu(o.number)) / (1 - product)) * g + (next / (1 - product * next)) * m)) / root;
};
const radam: Rule = (x, o) => {
  const [beta1, beta2] = [fraction(o, "beta1", 0.9), fraction(o, "beta2", 0.999)];
  const g = x.g + fraction(o, "weight_decay", 0) * x.p;
  const m = (x.m.exp_avg = beta1 * x.m.exp_avg! + (1 - beta1) * g);
  const v = (x.m.exp_avg_sq = beta2 * x.m.exp_avg_sq! + (1 - beta2) * g * g);
  const bias2 = 1 - beta2 ** o.number;
  const limit = 2 / (1 - beta2) - 1;
  const rho = limit - (2 * o.number * beta2 ** o.number) / bias2;
  let d = m / (1 - beta1 ** o.number);
  if (rho > 5) {
    const rectified = ((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho);
    d *= Math.sqrt(rectified * bias2) / (Math.sqrt(v) + fraction(o, "eps", 1e-8));
  }
  x.p -= o.lr * d;
};
const lion: Rule = (x, o) => {
  const [beta1, beta2] = [fraction(o, "beta1", 0.9), fraction(o, "beta2", 0.99)];
  const direction = Math.sign(beta1 * x.m.exp_avg! + (1 - beta1) * x.g);
  x.p -= o.lr * (direction + fraction(o, "weight_decay", 0) * x.p);
  x.m.exp_avg = beta2 * x.m.exp_avg! + (1 - beta2) * x.g;
};
/** The rules, and what their moments are before the first step. */
const rules: Record<string, { rule: Rule; moments: Record<string, number> }> = {
  SGD: { rule: sgd, moments: {} },
  Adam: { rule: adam(false), moments: { exp_avg: 0, exp_avg_sq: 0 } },
  AdamW: { rule: adam(true), moments: { exp_avg: 0, exp_avg_sq: 0 } },
  SparseAdam: { rule: adam(false, true), moments: { exp_avg: 0, exp_avg_sq: 0 } },
  Adagrad: { rule: adagrad, moments: { sum: 0 } },
  Adadelta: { rule: adadelta, moments: { square_avg: 0, acc_delta: 0 } },
  RMSprop: { rule: rmsprop, moments: { square_avg: 0 } },
  NAdam: { rule: nadam, moments: { exp_avg: 0, exp_avg_sq: 0, mu_product: 1 } },
  RAdam: { rule: radam, moments: { exp_avg: 0, exp_avg_sq: 0 } },
  Lion: { rule: lion, moments: { exp_avg: 0 } },
};
export const knownOptimizers = Object.keys(rules);

export type Moments = Record<string, Tensor>;
export interface Stepped {
  value: Tensor;
  moments?: Moments; // absent if they are unknown
}

function optionsOf(step: Update, lr: number): Options {
  const { betas, ...options } = step.options ?? {};
  const [beta1, beta2] = Array.isArray(betas) ? (betas as [number, number]) : [];
  return {
    ...(options as Record<string, number | boolean>),
    ...(beta1 === undefined ? {} : { beta1, beta2: beta2! }),
    lr: lr * Number(options.rate_multiplier ?? 1),
    number: (step.state?.step ?? 0) + 1,
  };
}
/** The recorded moments before the step; those of a first step if the state was not recorded. */
function recordedMoments(recording: Recording, step: Update): Moments {
  if (!step.state) {
    const { shape } = recording.json(step.before);
    const full = (x: number) => new Tensor(shape, new Float64Array(numel(shape)).fill(x));
    return Object.fromEntries(
      Object.entries(rules[step.optimizer]?.moments ?? {}).map(([name, first]) => [name, full(first)]),
    );
  }
  const names = Object.keys(step.state).filter((name) => name !== "step");
  return Object.fromEntries(names.map((name) => [name, recording.tensor(step.state![name]!)]));
}

/** The step of all elements, or of the rows with a gradient if only these move. */
function take(
  rule: Rule,
  options: Options,
  before: Tensor,
  gradient: Tensor | RowSparse,
  moments: Moments,
): Required<Stepped> {
  const sparse = "ids" in gradient ? gradient : undefined;
  const g = sparse ? dense(sparse) : (gradient as Tensor);
  const width = numel(before.shape) / (before.shape[0] ?? 1);
  const moving = options.sparse && sparse ? new Set(sparse.ids) : undefined;
  const value = Float64Array.from(before.data);
  const after = Object.entries(moments).map(([name, x]) => ({ name, data: Float64Array.from(x.data), x }));
  const sign = options.maximize ? -1 : 1;
  for (let i = 0; i < value.length; ++i) {
    if (moving && !moving.has(Math.floor(i / width))) continue;
    const x: Element = { p: value[i]!, g: sign * g.data[i]!, m: {} };
    for (const { name, data } of after) x.m[name] = data[i]!;
    rule(x, options);
    value[i] = x.p;
    for (const { name, data } of after) data[i] = x.m[name]!;
  }
  return {
    value: as(new Tensor(before.shape, value), before.dtype),
    moments: Object.fromEntries(
      after.map(({ name, data, x }) => [name, as(new Tensor(before.shape, data), x.dtype)] as const),
    ),
  };
}

/** The parameter after the step. A rule counts only if it explains the recorded step. Otherwise the recorded
 * difference is scaled by the learning rate, and undefined is returned if the gradient changed. `moments` are those
 * before the step, if an earlier step was computed anew; `changed` says whether the gradient was. */
export function updated(
  recording: Recording,
  step: Update,
  before: Tensor,
  gradient: Tensor | RowSparse | undefined,
  lr: number,
  moments: Moments | undefined,
): Stepped | undefined {
  const [from, to] = [recording.tensor(step.before), recording.tensor(step.after)];
  const used = gradientAt(recording, step.gradient ?? earlierGrad(recording, step));
  const known = rules[step.optimizer];
  const own = recordedMoments(recording, step);
  let fresh = gradient;
  if (used && gradient && isReplaced(recording, step)) {
    // The program changed the gradient after the pass, as clip_grad_norm() does.
    const same = alike(gradient, gradientAt(recording, earlierGrad(recording, step))!);
    fresh = same ? used : undefined;
  }
  if (known && used && fresh) {
    const again = take(known.rule, optionsOf(step, step.lr), from, used, own);
    if (explains(again.value, to, from)) return take(known.rule, optionsOf(step, lr), before, fresh, moments ?? own);
  }
  if (moments || step.lr === 0 || (used && !(fresh && alike(used, fresh)))) return undefined;
  return { value: zip(before, sub(to, from), (x, d) => x + (d * lr) / step.lr) };
}
function earlierGrad(recording: Recording, step: Update): number | null {
  return recording.grad(
    step.node,
    recording.moments.findIndex((moment) => moment.step === step),
  );
}
function isReplaced(recording: Recording, step: Update): boolean {
  const grad = earlierGrad(recording, step);
  if (step.gradient === undefined || grad === null || step.gradient === grad) return false;
  return !alike(gradientAt(recording, step.gradient)!, gradientAt(recording, grad)!);
}
function gradientAt(recording: Recording, index: number | null): Tensor | RowSparse | undefined {
  if (index === null) return undefined;
  const json = recording.json(index);
  return json.rows ? rowsOf(json) : recording.tensor(index);
}
function explains(computed: Tensor, recorded: Tensor, before: Tensor): boolean {
  const moved = Math.max(...sub(recorded, before).data.map(Math.abs), 1e-30);
  const largest = Math.max(...recorded.data.map(Math.abs));
  return computed.data.every((x, i) => Math.abs(x - recorded.data[i]!) < 1e-3 * moved + 3e-7 * largest);
}
function alike(a: Tensor | RowSparse, b: Tensor | RowSparse): boolean {
  const [x, y] = [a, b].map((each) => ("ids" in each ? dense(each) : each)) as [Tensor, Tensor];
  return (
    numel(x.shape) === numel(y.shape) &&
    x.data.every((element, i) => Math.abs(element - y.data[i]!) <= 1e-6 * Math.max(1, Math.abs(element)))
  );
}
