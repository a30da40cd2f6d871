// The steps of optimizers, so that a changed gradient or learning rate moves a parameter anew. Read
// next: src/formulas.ts.
import { numel, type Update } from "./format.ts";
import type { Recording } from "./recording.ts";
import { dense, rowsOf, sub, Tensor, zeros, zip } from "./tensor.ts";

type Rule = (before: Tensor, gradient: Tensor, lr: number) => Tensor;

function sgd(momentum: number, buffer: Tensor | undefined, decay: number): Rule {
  return (before, gradient, lr) => {
    const g = zip(gradient, before, (d, x) => d + decay * x);
    const step = buffer ? zip(g, buffer, (d, b) => d + momentum * b) : g;
    return zip(before, step, (x, d) => x - lr * d);
  };
}
function adam(number: number, m: Tensor, v: Tensor, options: Record<string, number>, decoupled: boolean): Rule {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0 } = options;
  return (before, gradient, lr) => {
    const g = decoupled ? gradient : zip(gradient, before, (d, x) => d + weight_decay * x);
    const mean = zip(m, g, (a, b) => (beta1 * a + (1 - beta1) * b) / (1 - beta1 ** number));
    const square = zip(v, g, (a, b) => (beta2 * a + (1 - beta2) * b * b) / (1 - beta2 ** number));
    const moved = sub(
      before,
      zip(mean, square, (a, b) => (lr * a) / (Math.sqrt(b) + eps)),
    );
    return decoupled ? zip(moved, before, (x, old) => x - lr * weight_decay * old) : moved;
  };
}

/** The rules that the optimizer may have used, by its name, options and state. */
function candidates(recording: Recording, step: Update): Rule[] {
  const options = { ...(step.options as Record<string, number> | undefined) };
  const betas = (step.options as unknown as { betas?: number[] } | undefined)?.betas;
  if (betas) [options.beta1, options.beta2] = betas as [number, number];
  const state = (name: string) => (step.state?.[name] !== undefined ? recording.tensor(step.state[name]!) : undefined);
  const nothing = zeros(recording.json(step.before).shape);
  if (step.optimizer.startsWith("SGD")) {
    return [sgd(options.momentum ?? 0, state("momentum_buffer"), options.weight_decay ?? 0)];
  }
  if (/^AdamW?$/.test(step.optimizer)) {
    return [
      adam(
        (step.state?.step ?? 0) + 1,
        state("exp_avg") ?? nothing,
        state("exp_avg_sq") ?? nothing,
        options,
        step.optimizer === "AdamW",
      ),
    ];
  }
  return [];
}

/** The parameter after the step. A rule counts only if it explains the recorded step; otherwise the
 * recorded difference is scaled by the learning rate, and undefined is returned if the gradient changed. */
export function updated(
  recording: Recording,
  step: Update,
  before: Tensor,
  gradient: Tensor | undefined,
  lr: number,
): Tensor | undefined {
  const [from, to] = [recording.tensor(step.before), recording.tensor(step.after)];
  const used = recordedGradient(recording, step);
  for (const rule of candidates(recording, step)) {
    if (used && gradient && explains(rule(from, used, step.lr), to, from)) return rule(before, gradient, lr);
  }
  if (step.lr === 0 || (used && gradient && !same(used, gradient))) return undefined;
  return zip(before, sub(to, from), (x, d) => x + (d * lr) / step.lr);
}
function recordedGradient(recording: Recording, step: Update): Tensor | undefined {
  const at = recording.moments.findIndex((moment) => moment.step === step);
  const index = step.gradient ?? recording.grad(step.node, at);
  if (index === null || index === undefined) return undefined;
  const json = recording.json(index);
  return json.rows ? dense(rowsOf(json)) : recording.tensor(index);
}
function explains(computed: Tensor, recorded: Tensor, before: Tensor): boolean {
  const moved = Math.max(...sub(recorded, before).data.map(Math.abs), 1e-30);
  const largest = Math.max(...recorded.data.map(Math.abs));
  return computed.data.every((x, i) => Math.abs(x - recorded.data[i]!) < 1e-3 * moved + 3e-7 * largest);
}
function same(a: Tensor, b: Tensor): boolean {
  return (
    numel(a.shape) === numel(b.shape) &&
    a.data.every((x, i) => Math.abs(x - b.data[i]!) <= 1e-6 * Math.max(1, Math.abs(x)))
  );
}
