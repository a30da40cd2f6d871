// All operations that the page can compute again. Read next: src/recording.ts.
import { compositions } from "./compositions.ts";
import { elementwise } from "./elementwise.ts";
import { images } from "./images.ts";
import { indexing } from "./indexing.ts";
import { matrix } from "./matrix.ts";
import type { Operations } from "./operation.ts";
import { reductions } from "./reductions.ts";
import { shapes } from "./shapes.ts";

export const operations: Operations = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...matrix,
  ...images,
  ...indexing,
  ...compositions,
};
export const isElementwise = (op: string) => op in elementwise;
