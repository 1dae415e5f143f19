#!/bin/sh
# Makes the archive of one platform, and writes its sha256 beside it.
#
#   krew/package.sh [--profile small] [--target TRIPLE] [--out target/krew]
#
# Without --target, the platform is that of this machine. The script prints the path of the archive.
set -eu

fail() {
  echo "error: $1" >&2
  exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
profile=small target= out=$root/target/krew
while [ $# -gt 0 ]; do
  case $1 in
    --profile | --target | --out)
      [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value"
      case $1 in
        --profile) profile=$2 ;;
        --target) target=$2 ;;
        --out) out=$2 ;;
      esac
      shift 2
      ;;
    *) fail "unknown argument $1: use --profile, --target and --out" ;;
  esac
done

# The platform, as krew names it.
system=${target:-$(uname -s)-$(uname -m)}
case $system in
  *[Ll]inux*) os=linux ;;
  *[Dd]arwin*) os=darwin ;;
  *windows* | MINGW* | MSYS*) os=windows ;;
  *) fail "no package is made for $system: use linux, darwin or windows" ;;
esac
case $system in
  *x86_64* | *amd64*) arch=amd64 ;;
  *aarch64* | *arm64*) arch=arm64 ;;
  *) fail "no package is made for $system: use x86_64 or aarch64" ;;
esac

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
[ -n "$version" ] || fail "Cargo.toml names no version"

binary=kubectl-cmp
[ "$os" != windows ] || binary=kubectl-cmp.exe

# Paths of this machine would make the program differ from the same build on another machine.
if [ "$profile" != dev ] && [ -z "${RUSTFLAGS:-}${CARGO_ENCODED_RUSTFLAGS:-}" ]; then
  CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037%s' "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" "--remap-path-prefix=$root=/kubectl-cmp")
  export CARGO_ENCODED_RUSTFLAGS
fi

# Build with the features of the whole workspace, so that no crate is built a second time.
set -- build --quiet --locked --workspace --bin kubectl-cmp --profile "$profile"
[ -z "$target" ] || set -- "$@" --target "$target"
(cd "$root" && "${CARGO:-cargo}" "$@")
folder=$profile
[ "$profile" != dev ] || folder=debug
built=${CARGO_TARGET_DIR:-$root/target}${target:+/$target}/$folder/$binary
[ -f "$built" ] || fail "cargo built no $built"

name=kubectl-cmp_v${version}_${os}_$arch.tar.gz
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$out"
cp "$built" "$root/LICENSE" "$stage/"
chmod 0755 "$stage/$binary"
# The same files make the same archive, whoever packs them and when.
TZ=UTC touch -t 198001010000 "$stage/$binary" "$stage/LICENSE"
case $(tar --version) in
  *GNU*) set -- --format=ustar --numeric-owner --owner=0 --group=0 ;;
  *) set -- --format=ustar --uid 0 --gid 0 --uname '' --gname '' ;;
esac
tar -cf "$stage/tar" "$@" -C "$stage" "$binary" LICENSE
gzip -n -9 <"$stage/tar" >"$stage/$name"
if command -v sha256sum >/dev/null; then
  hash=$(sha256sum "$stage/$name")
else
  hash=$(shasum -a 256 "$stage/$name")
fi
mv "$stage/$name" "$out/$name"
echo "${hash%% *}  $name" >"$out/$name.sha256"
echo "$out/$name"
