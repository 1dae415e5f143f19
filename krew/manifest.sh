#!/bin/sh
# Makes cmp.yaml, the manifest of a release, from the archives of all six platforms. It writes the hash of an archive
# only if the archive exists and has that hash. If an archive is missing, it writes no manifest.
#
#   krew/manifest.sh [DIST]
#
# DIST is the folder of the archives that krew/package.sh made; target/krew by default.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dist=${1:-$root/target/krew}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
if command -v sha256sum >/dev/null; then
  sum=sha256sum
else
  sum="shasum -a 256"
fi

fill="s/@VERSION@/$version/g"
wrong=
for platform in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64 windows_amd64 windows_arm64; do
  archive=$dist/kubectl-cmp_v${version}_$platform.tar.gz
  if [ ! -f "$archive" ] || [ ! -f "$archive.sha256" ]; then
    wrong="$wrong
  $archive is missing: krew/package.sh makes it, on such a machine or with --target"
    continue
  fi
  hash=$($sum "$archive")
  hash=${hash%% *}
  if [ "$hash" != "$(cut -d ' ' -f 1 "$archive.sha256")" ]; then
    wrong="$wrong
  $archive is not the one whose hash is beside it: make it anew"
    continue
  fi
  fill="$fill;s/@$platform@/$hash/"
done
if [ -n "$wrong" ]; then
  echo "error: v$version is no release yet; nothing was written$wrong" >&2
  exit 1
fi
# Drop the first line, which describes the template.
sed -e 1d -e "$fill" "$root/krew/template.yaml" >"$dist/cmp.yaml.new"
mv "$dist/cmp.yaml.new" "$dist/cmp.yaml"
echo "$dist/cmp.yaml"
