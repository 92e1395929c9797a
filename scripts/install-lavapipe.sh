#!/usr/bin/env bash
# Installs Mesa's software Vulkan driver (lavapipe) on Debian and Ubuntu.
#
#   bash scripts/install-lavapipe.sh [--dry-run]
#
# Dawn refuses Mesa 22.3, which is what Debian 12 (bookworm) ships, so where the release's own
# version is that old this adds the backports suite. The new entry is a copy of the machine's own
# Debian source entry with only the suite changed: the same mirror, key and components.
set -euo pipefail

oldest_mesa=23.1
package=mesa-vulkan-drivers
case $* in
  '') dry_run=false ;;
  --dry-run) dry_run=true ;;
  *) echo 'usage: bash scripts/install-lavapipe.sh [--dry-run]' >&2; exit 2 ;;
esac

fail() {
  echo "install-lavapipe: $*" >&2
  exit 1
}

command -v apt-get >/dev/null || fail "this system has no apt-get; install your distribution's Mesa Vulkan drivers ($oldest_mesa or newer) instead."

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || fail "installing packages needs root; run this as root or install sudo."
  as_root=(sudo)
fi

run() {
  echo "+ $*"
  $dry_run || "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@"
}

# The version that a plain `apt-get install` would choose; "0" when the package is unknown.
candidate_version() {
  local version
  version=$(apt-cache policy "$package" | awk '/Candidate:/ { print $2 }')
  [[ -z $version || $version == "(none)" ]] && version=0
  echo "$version"
}

# Every enabled deb822 paragraph or one-line entry for suite $1, rewritten for suite $2.
copied_deb822() {
  local files=(/etc/apt/sources.list.d/*.sources)
  [[ -e ${files[0]} ]] || return 0
  # Paragraphs are separated by empty lines; `sed` also separates the files from each other.
  sed -s -e '/^#/d' -e '$G' "${files[@]}" | awk -v RS= -v from="$1" -v to="$2" '
    /\nEnabled:[ \t]*no|^Enabled:[ \t]*no/ { next }
    {
      count = split($0, lines, "\n"); matches = 0; text = ""
      for (i = 1; i <= count; i++) {
        line = lines[i]
        if (line ~ /^Suites:/) {
          words = split(line, suites, /[ \t]+/)
          for (w = 2; w <= words; w++) if (suites[w] == from) matches = 1
          line = "Suites: " to
        } else if (line ~ /^Types:/) line = "Types: deb"
        text = text line "\n"
      }
      if (matches) { printf "%s\n", text; exit }
    }'
}

copied_one_line() {
  local files=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list) existing=()
  for file in "${files[@]}"; do [[ -e $file ]] && existing+=("$file"); done
  ((${#existing[@]})) || return 0
  awk -v from="$1" -v to="$2" '
    $1 != "deb" { next }
    {
      at = 2
      if ($2 ~ /^\[/) { while ($at !~ /\]$/ && at < NF) at++; at++ }
      if ($(at + 1) == from) { $(at + 1) = to; print; exit }
    }' "${existing[@]}"
}

has_suite() {
  [[ -n $(copied_deb822 "$1" "$1") || -n $(copied_one_line "$1" "$1") ]]
}

add_backports() {
  local backports=$1-backports target text
  if has_suite "$backports"; then return; fi
  text=$(copied_deb822 "$1" "$backports")
  target=/etc/apt/sources.list.d/$backports.sources
  if [[ -z $text ]]; then
    text=$(copied_one_line "$1" "$backports")
    target=/etc/apt/sources.list.d/$backports.list
  fi
  [[ -n $text ]] || fail "found no apt source for the suite '$1' to copy for '$backports'; add that suite by hand and run this again."
  echo "+ write $target:"
  echo "$text"
  $dry_run || "${as_root[@]}" tee "$target" <<<"$text" >/dev/null
}

# shellcheck disable=SC1091
. /etc/os-release
run apt-get update
if dpkg --compare-versions "$(candidate_version)" ge "$oldest_mesa"; then
  run apt-get install -y --no-install-recommends "$package"
elif [[ $ID == debian ]]; then
  add_backports "$VERSION_CODENAME"
  run apt-get update
  run apt-get install -y --no-install-recommends -t "$VERSION_CODENAME-backports" "$package"
else
  fail "this release offers $package $(candidate_version) but Dawn needs $oldest_mesa or newer; upgrade the distribution or add a newer Mesa."
fi
$dry_run || echo "install-lavapipe: $package $(dpkg-query -W -f '${Version}' "$package") is installed."
