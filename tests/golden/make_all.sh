#!/bin/sh
# Makes every golden file again with PyTorch 1.13 (Debian 12's python3-torch); README.md describes them.
# With --check, writes them to a temporary folder and compares them with the committed ones.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$here
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
  cp "$here"/*.py "$out"
fi
for topic in random init ops operators compositions rest rest_layers values promotion modules layers images recurrent training training_conv embedding \
  optim resume schedules data pruning print; do
  env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE ATEN_CPU_CAPABILITY=avx2 OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$out/make_$topic.py"
done
if [ "$out" != "$here" ]; then
  for file in "$here"/*.safetensors "$here"/print.txt; do
    cmp "$file" "$out/$(basename "$file")"
  done
  echo "the committed answers are PyTorch's"
fi
