// Computes ONNX files by onnxruntime, for check_onnx.py:
//
//   NODE_PATH=.../node_modules node run_onnx.js FILE.onnx ...
//
// FILE.onnx.json holds the inputs ({name: {type, dims, data}}); FILE.onnx.answer.json gets the outputs, alike, or
// {error: text}. Without a file: succeeds if onnxruntime-node is installed.
const fs = require('fs');
const runtime = require('onnxruntime-node');

const ARRAYS = {float32: Float32Array, float64: Float64Array, int64: BigInt64Array, bool: Uint8Array};

function tensor({type, dims, data}) {
  const numbers = type === 'int64' ? data.map(BigInt) : data;
  return new runtime.Tensor(type, ARRAYS[type].from(numbers), dims);
}

async function run(path) {
  const session = await runtime.InferenceSession.create(path, {logSeverityLevel: 4});
  const inputs = {};
  for (const [name, value] of Object.entries(JSON.parse(fs.readFileSync(path + '.json')))) {
    inputs[name] = tensor(value);
  }
  const answer = {};
  for (const [name, value] of Object.entries(await session.run(inputs))) {
    answer[name] = {type: value.type, dims: value.dims, data: Array.from(value.data, Number)};
  }
  return answer;
}

(async () => {
  for (const path of process.argv.slice(2)) {
    const answer = await run(path).catch((error) => ({error: String(error.message)}));
    fs.writeFileSync(path + '.answer.json', JSON.stringify(answer));
  }
})();
