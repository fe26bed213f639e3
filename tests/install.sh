#!/usr/bin/env bash
# Installs Debian or Ubuntu packages for tests: as root, or through sudo. `install.sh PACKAGE ...`
# Starts no service. Quiet, and instant when everything is there already. See slurm/install.sh and browser/install.sh.
set -euo pipefail

packages=("$@")
installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^installed //p') || true
missing=()
for package in "${packages[@]}"; do
  grep -qx "$package" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "${missing[*]}: not installed; run $0 ${packages[*]} as root, or install sudo" >&2; exit 1; }
  exec sudo -- bash "$0" "${packages[@]}"
fi

# Packages start their services through invoke-rc.d, which asks this script; it says no. Whoever made one is not overruled.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
log=$(mktemp)
attempt() {
  apt-get install --yes --quiet --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" </dev/null >"$log" 2>&1
}
# The lists of packages may be absent (a fresh container) or old: then what they name is gone from the mirror.
if ! attempt && ! { apt-get update --quiet -o DPkg::Lock::Timeout=300 >>"$log" 2>&1 && attempt; }; then
  cat "$log" >&2
  echo "could not install ${missing[*]}; the output of apt-get is above" >&2
  exit 1
fi
rm -f "$log"
