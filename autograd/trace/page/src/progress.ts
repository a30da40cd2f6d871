// Progress: which share of a group was recorded and has run its rules. Read next: src/layout.ts.
import { isGroup, type Group } from "./groups.ts";
import type { Recording } from "./recording.ts";

interface Times {
  forward: number[]; // sorted moments
  fire: number[][]; // by pass
}

export class Progress {
  private readonly times = new WeakMap<Group, Times>();
  private readonly fires: Map<number, number>[] = []; // by pass: node -> moment
  private readonly flows = new Map<string, number>(); // "pass:from:to" -> moment

  constructor(private readonly recording: Recording) {
    recording.moments.forEach(({ step }, at) => {
      if (step.kind === "fire") (this.fires[step.pass] ??= new Map()).set(step.node, at);
      if (step.kind === "contribution") this.flows.set(`${step.pass}:${step.from}:${step.to}`, at);
    });
  }

  shares(group: Group, pass: number, at: number): { recorded: number; fired: number } {
    const times = this.timesOf(group);
    const all = Math.max(times.forward.length, 1);
    return { recorded: countUpTo(times.forward, at) / all, fired: countUpTo(times.fire[pass] ?? [], at) / all };
  }
  /** Whether the entry `from` has sent its input a gradient. */
  flowed(input: number, from: number, pass: number, at: number): boolean {
    return (this.flows.get(`${pass}:${from}:${input}`) ?? Infinity) <= at;
  }

  private timesOf(group: Group): Times {
    let times = this.times.get(group);
    if (times) return times;
    const nodes = nodesOf(group).filter((id) => this.recording.node(id).kind === "operation");
    const sorted = (moments: number[]) => moments.sort((a, b) => a - b);
    times = {
      forward: sorted(nodes.map((id) => this.recording.forwardMoment(id))),
      fire: this.fires.map((fires) => sorted(nodes.flatMap((id) => fires.get(id) ?? []))),
    };
    this.times.set(group, times);
    return times;
  }
}
function nodesOf(group: Group): number[] {
  return group.children.flatMap((child) => (isGroup(child) ? nodesOf(child) : [child]));
}
function countUpTo(sorted: number[], at: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
