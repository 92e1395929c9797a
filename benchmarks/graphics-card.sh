#!/usr/bin/env bash
# All that the results say of an adapter, in one go: every op checked, matmul and attention at a graphics card's sizes, the
# whole lab, where a training step's time goes, the student's gain, and PyTorch's figures where there is PyTorch.
#
#     bash benchmarks/graphics-card.sh RESULTS [ADAPTER] [PRESET] [SIZE] [PART…]     (default: hardware base 4096, all parts)
#
# In a checkout, or in a folder that scripts/pack-for-gpu.sh made. A part that fails does not stop the others. Parts can be
# measured one by one, in the order below, where a machine is lent for minutes.
set -uo pipefail
[[ $# -ge 1 ]] || { sed -n 5p "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
results=$(cd "$1" && pwd)
adapter=${2:-hardware} preset=${3:-base} size=${4:-4096} parts=${*:5}

if [[ -e $here/run ]]; then
  run() { bash "$here/run" "$@"; }
  pytorch=$here
else
  cd "$here/.."
  declare -A entry=([farmer]=packages/farmer/cli/main.ts [lab]=benchmarks/lab/main.ts
    [train-step]=benchmarks/train-step.ts [reverse]=benchmarks/reverse.ts [batch]=benchmarks/pytorch/batch.ts)
  run() { npx tsx "${entry[$1]}" "${@:2}"; }
  pytorch=benchmarks/pytorch
fi

part() {
  local name=$1
  shift
  if [[ -n $parts && " $parts " != *" $name "* ]]; then return; fi
  echo "== $name: $*"
  "$@" 2>&1 | tee "$results/$name.txt"
  [[ ${PIPESTATUS[0]} == 0 ]] || echo "== $name failed" | tee -a "$results/$name.txt"
}

beside_pytorch() {
  local each failed=0 batch=$results/batch.safetensors
  if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    echo 'not measured: there is no PyTorch with CUDA'
    return
  fi
  for each in small "$preset"; do
    run batch "$each" "$batch" "$adapter" && python3 "$pytorch/main.py" "$batch" --device cuda || failed=1
  done
  rm -f "$batch"
  return $failed
}

tokens=$((size / 4))
on=(--adapter "$adapter")
part doctor run farmer doctor "${on[@]}" --check
part step run train-step "${on[@]}" --preset "$preset" --out "$results/step-$preset"
part step-small run train-step "${on[@]}" --preset small --out "$results/step-small"
part matmul run lab "${on[@]}" --op matmul --shape "$size,$size,$size" --out "$results/matmul"
part attention run lab "${on[@]}" --op attention --shape "8,$tokens,$tokens,768,12" --out "$results/attention"
part reverse run reverse "${on[@]}" --preset base
part reverse-paper run reverse "${on[@]}" --set model.flow.blocks=28 --set model.ar.layers=12 \
  --set model.ar.width=128 --set model.ar.heads=4
part pytorch beside_pytorch
part lab run lab "${on[@]}" --seconds 0.2 --out "$results/lab"
