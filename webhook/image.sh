#!/bin/sh
# Makes the folder that the image of cmp-webhook is built from.
#
#   webhook/image.sh [--profile release] [--target x86_64-unknown-linux-musl]... [--certificates FILE] [--out target/image]
#
# Each target is a platform of the image. Without --target, the platform is that of this machine. The script prints the path
# of the folder. It builds no image: that needs Docker or Podman, which docs/QUICKSTART.md shows.
set -eu

fail() {
  echo "error: $1" >&2
  exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
profile=release targets= out=$root/target/image certificates=/etc/ssl/certs/ca-certificates.crt
while [ $# -gt 0 ]; do
  case $1 in
    --profile | --target | --out | --certificates)
      [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value"
      case $1 in
        --profile) profile=$2 ;;
        --target) targets="$targets $2" ;;
        --out) out=$2 ;;
        --certificates) certificates=$2 ;;
      esac
      shift 2
      ;;
    *) fail "unknown argument $1: use --profile, --target, --certificates and --out" ;;
  esac
done
[ -f "$certificates" ] ||
  fail "$certificates is missing: install the certificates of public authorities (ca-certificates), or name a file: --certificates"
case ${targets:-$(uname -m)} in
  x86_64) targets=x86_64-unknown-linux-musl ;;
  aarch64 | arm64) targets=aarch64-unknown-linux-musl ;;
esac
for target in $targets; do
  case $target in
    x86_64-*-linux-musl | aarch64-*-linux-musl) ;;
    *) fail "no image is made for $target: use x86_64-unknown-linux-musl and aarch64-unknown-linux-musl" ;;
  esac
done

folder=$profile
[ "$profile" != dev ] || folder=debug
# Paths of this machine would make the program differ from the same build on another machine.
if [ "$profile" != dev ] && [ -z "${RUSTFLAGS:-}${CARGO_ENCODED_RUSTFLAGS:-}" ]; then
  CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037%s' "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" "--remap-path-prefix=$root=/kubectl-cmp")
  export CARGO_ENCODED_RUSTFLAGS
fi

rm -rf "$out"
mkdir -p "$out"
for target in $targets; do
  arch=amd64
  [ "${target%%-*}" != aarch64 ] || arch=arm64
  (cd "$root" && "${CARGO:-cargo}" build --quiet --locked --package cmp-webhook --bin cmp-webhook --profile "$profile" --target "$target") ||
    fail "cmp-webhook was not built: it needs \`rustup target add $target\` and a C compiler for musl (musl-tools)"
  mkdir -p "$out/$arch"
  cp "${CARGO_TARGET_DIR:-$root/target}/$target/$folder/cmp-webhook" "$out/$arch/"
  chmod 0755 "$out/$arch/cmp-webhook"
done
cp "$certificates" "$out/ca-certificates.crt"
cp "$root/webhook/Containerfile" "$out/"
echo "$out"
