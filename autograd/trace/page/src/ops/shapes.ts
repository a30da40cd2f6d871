// Operations that change the shape, join, split, repeat or reorder. Read next: src/ops/matrix.ts.
import {
  addAt,
  expand,
  map,
  mul,
  permute,
  pick,
  reshape,
  strides,
  Tensor,
  transpose,
  walk,
  wrap,
  zeros,
} from "../tensor.ts";
import { input, listAt, numberAt, type Call, type Operation, type Operations } from "./operation.ts";

const sameOrder: Operation = {
  forward: (call) => reshape(input(call, 0), call.shape),
  rule: (call, _y, dy) => reshape(dy, input(call, 0).shape),
};
const repeated: Operation = {
  forward: (call) => expand(input(call, 0), call.shape),
  rule: (_call, _y, dy) => dy, // broadcasting is undone later
};

/** An operation that copies the elements at positions of its input. Its rule adds them back there. */
function copying(at: (call: Call, x: Tensor) => ArrayLike<number>): Operation {
  return {
    forward: (call) => pick(input(call, 0), at(call, input(call, 0)), call.shape),
    rule: (call, _y, dy) => addAt(input(call, 0).shape, at(call, input(call, 0)), dy),
  };
}

/** The positions of x[..., start, start + step, ...], where y tells how many. */
export function partOf(
  shape: readonly number[],
  dim: number,
  start: number,
  step: number,
  part: readonly number[],
): Int32Array {
  const own = strides(shape);
  const selected = part.length < shape.length;
  const steps = own.map((stride, d) => (d === dim ? stride * step : stride)).filter((_, d) => !selected || d !== dim);
  return walk(part, steps, start * own[dim]!);
}
function beginning(call: Call, x: Tensor, name: string): [number, number] {
  const dim = wrap(numberAt(call, "dim", 0), x.dim);
  const size = x.shape[dim]!;
  return [dim, Math.min(Math.max(wrap(numberAt(call, name, 0), size), 0), size)];
}

function flipped(call: Call, x: Tensor): Int32Array {
  const own = strides(x.shape);
  const dims = listAt(call, "dims").map((d) => wrap(d, x.dim));
  const steps = own.map((stride, d) => (dims.includes(d) ? -stride : stride));
  return walk(
    x.shape,
    steps,
    dims.reduce((sum, d) => sum + own[d]! * (x.shape[d]! - 1), 0),
  );
}
function rolled(call: Call, x: Tensor): Int32Array {
  const shifts = listAt(call, "shifts");
  const dims = listAt(call, "dims").map((d) => wrap(d, x.dim));
  const shape = dims.length === 0 ? [x.size] : x.shape;
  const own = strides(shape);
  return walk(shape, own, 0).map((_, position) => {
    let from = 0;
    shape.forEach((size, d) => {
      const index = Math.floor(position / own[d]!) % size;
      const shift =
        dims.length === 0 ? shifts[0]! : dims.reduce((sum, each, i) => sum + (each === d ? shifts[i]! : 0), 0);
      from += ((((index - shift) % size) + size) % size) * own[d]!;
    });
    return from;
  });
}
/** x repeated is x broadcast in (repeats[0], size[0], repeats[1], size[1], ...). */
function repeatedPositions(call: Call, x: Tensor): Int32Array {
  const repeats = listAt(call, "repeats");
  const sizes = [...new Array<number>(repeats.length - x.dim).fill(1), ...x.shape];
  const own = strides(sizes);
  return walk(
    repeats.flatMap((times, d) => [times, sizes[d]!]),
    repeats.flatMap((_, d) => [0, own[d]!]),
    0,
  );
}
function triangle(keeps: (row: number, column: number, diagonal: number) => boolean): Operation {
  const mask = (call: Call) => {
    const [rows, columns] = call.shape.slice(-2) as [number, number];
    return map(new Tensor([rows, columns], Float64Array.from(new Array(rows * columns).keys())), (i) =>
      keeps(Math.floor(i / columns), i % columns, numberAt(call, "diagonal", 0)) ? 1 : 0,
    );
  };
  return { forward: (call) => mul(input(call, 0), mask(call)), rule: (call, _y, dy) => mul(dy, mask(call)) };
}

const cat: Operation = {
  forward: (call) => {
    const out = new Float64Array(zeros(call.shape).data);
    let start = 0;
    call.inputs.forEach((x, i) => {
      if (!x) return;
      const at = partOf(call.shape, wrap(numberAt(call, "dim", 0), call.shape.length), start, 1, x.shape);
      at.forEach((to, k) => (out[to] = input(call, i).data[k]!));
      start += x.shape[wrap(numberAt(call, "dim", 0), x.dim)]!;
    });
    return new Tensor(call.shape, out, call.dtype);
  },
  rule: (call, _y, dy, i) => {
    const dim = wrap(numberAt(call, "dim", 0), call.shape.length);
    const start = call.inputs.slice(0, i).reduce((sum, x) => sum + (x?.shape[dim] ?? 0), 0);
    return pick(dy, partOf(dy.shape, dim, start, 1, input(call, i).shape), input(call, i).shape);
  },
};

// The windows of a sequence (batch, length, channels), as a matrix (batch, windows, kernel, channels).
function windows(call: Call, x: readonly number[]): Int32Array {
  const [batch, length, channels] = x as [number, number, number];
  const [kernel, stride, before, dilation] = ["kernel", "stride", "before", "dilation"].map((name) =>
    numberAt(call, name, name === "before" ? 0 : 1),
  ) as [number, number, number, number];
  const after = numberAt(call, "after", before);
  const count = Math.floor((length + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
  return walk([batch, count, kernel, channels], [1, 1, 1, 1], 0).map((_, i) => {
    const c = i % channels;
    const k = Math.floor(i / channels) % kernel;
    const w = Math.floor(i / channels / kernel) % count;
    const step = w * stride - before + k * dilation;
    return step < 0 || step >= length ? -1 : (Math.floor(i / channels / kernel / count) * length + step) * channels + c;
  });
}
const gatherWindows = (x: Tensor, at: Int32Array, shape: readonly number[]) =>
  new Tensor(
    shape,
    Float64Array.from(at, (from) => (from < 0 ? 0 : x.data[from]!)),
    x.dtype,
  );
function addWindows(y: Tensor, at: Int32Array, shape: readonly number[]): Tensor {
  const out = zeros(shape, y.dtype);
  at.forEach((to, i) => to >= 0 && (out.data[to]! += y.data[i]!));
  return out;
}

export const shapes: Operations = {
  reshape: sameOrder,
  view: sameOrder,
  flatten: sameOrder,
  unflatten: sameOrder,
  squeeze: sameOrder,
  unsqueeze: sameOrder,
  contiguous: sameOrder,
  clone: sameOrder,
  gate: sameOrder,
  collect: sameOrder,
  expand: repeated,
  broadcast_to: repeated,
  permute: {
    forward: (call) => permute(input(call, 0), listAt(call, "dims")),
    rule: (call, _y, dy) => {
      const inverse = new Array<number>(dy.dim);
      listAt(call, "dims").forEach((d, i) => (inverse[wrap(d, dy.dim)] = i));
      return permute(dy, inverse);
    },
  },
  transpose: {
    forward: (call) => transpose(input(call, 0), numberAt(call, "dim0", -2), numberAt(call, "dim1", -1)),
    rule: (call, _y, dy) => transpose(dy, numberAt(call, "dim0", -2), numberAt(call, "dim1", -1)),
  },
  cat,
  repeat: copying(repeatedPositions),
  flip: copying(flipped),
  roll: copying(rolled),
  tril: triangle((row, column, diagonal) => column - row <= diagonal),
  triu: triangle((row, column, diagonal) => column - row >= diagonal),
  select: copying((call, x) => {
    const [dim, index] = beginning(call, x, "index");
    return partOf(x.shape, dim, index, 1, call.shape);
  }),
  narrow: copying((call, x) => {
    const [dim, start] = beginning(call, x, "start");
    return partOf(x.shape, dim, start, 1, call.shape);
  }),
  slice: copying((call, x) => {
    const [dim, start] = beginning(call, x, "start");
    return partOf(x.shape, dim, start, numberAt(call, "step", 1), call.shape);
  }),
  place: {
    forward: (call) => addAt(call.shape, placed(call), input(call, 0)),
    rule: (call, _y, dy) => pick(dy, placed(call), input(call, 0).shape),
  },
  unfold: {
    forward: (call) => gatherWindows(input(call, 0), windows(call, input(call, 0).shape), call.shape),
    rule: (call, _y, dy) => addWindows(dy, windows(call, input(call, 0).shape), input(call, 0).shape),
  },
  fold: {
    forward: (call) => addWindows(input(call, 0), windows(call, call.shape), call.shape),
    rule: (call, _y, dy) => gatherWindows(dy, windows(call, call.shape), input(call, 0).shape),
  },
};
function placed(call: Call): Int32Array {
  const dim = wrap(numberAt(call, "dim", 0), call.shape.length);
  return partOf(call.shape, dim, numberAt(call, "start", 0), numberAt(call, "step", 1), input(call, 0).shape);
}
