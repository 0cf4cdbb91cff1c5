# Sourced by the other scripts: installs what is missing through the system's package manager, and says so.
# shellcheck shell=bash

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages WHY DEBIAN_PACKAGES BREW_PACKAGES
install_packages() {
  local why=$1 debian=$2 brew=$3
  if command -v apt-get >/dev/null; then
    say "Installing $debian ($why)"
    as_root apt-get update -qq
    # shellcheck disable=SC2086 # several words are several packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $debian >/dev/null
  elif command -v brew >/dev/null; then
    say "Installing $brew ($why)"
    # shellcheck disable=SC2086
    brew install --quiet $brew
  else
    die "Please install $debian or your system's equivalent ($why), then start this script again."
  fi
}

# Where `matricule` itself looks; what lies on PATH or is named by pg_config may be too old.
has_postgres() {
  local found
  [ -n "${MATRICULE_POSTGRES_BIN:-}" ] && return
  for found in "$(command -v initdb || true)" "$(pg_config --bindir 2>/dev/null || true)/initdb"; do
    [ -x "$found" ] && [ "$("$found" --version | sed 's/[^0-9]*//; s/[^0-9].*//')" -ge 15 ] && return
  done
  compgen -G '/usr/lib/postgresql/1[5-9]/bin/initdb' >/dev/null && return
  compgen -G '/usr/pgsql-1[5-9]/bin/initdb' >/dev/null && return
  compgen -G '/opt/homebrew/opt/postgresql@1[5-9]/bin/initdb' >/dev/null && return
  compgen -G '/usr/local/opt/postgresql@1[5-9]/bin/initdb' >/dev/null
}

# The oldest Rust that builds the workspace: `rust-version` in Cargo.toml.
need_rust() {
  PATH="$PATH:$HOME/.cargo/bin"
  if ! command -v cargo >/dev/null; then
    if command -v brew >/dev/null || apt-cache show rustup >/dev/null 2>&1; then
      install_packages "the Rust toolchain" rustup rust
      if command -v rustup >/dev/null; then rustup default stable; fi
    else
      die "Rust is missing, and this system's package manager has no recent one. Install it from https://rustup.rs, then start this script again."
    fi
  fi
  local oldest minor
  oldest=$(sed -n 's/^rust-version = "1\.\([0-9]*\)".*/\1/p' Cargo.toml)
  minor=$(cargo --version | sed 's/^cargo 1\.//; s/\..*//')
  [ "$minor" -ge "$oldest" ] || die "Rust 1.$minor is too old: 1.$oldest or later is needed. With rustup: rustup update stable."
}

# Where Cargo puts what it builds: CARGO_TARGET_DIR or a configuration may say so.
target_directory() {
  cargo metadata --format-version 1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

need_compiler() {
  command -v cc >/dev/null || install_packages "a C compiler for AWS-LC" build-essential gcc
}

need_postgres() {
  has_postgres && return
  install_packages "the database server's programs" postgresql postgresql@16
  has_postgres || die "The PostgreSQL that was installed is older than 15. Install 15 or later (https://www.postgresql.org/download/) and start this script again, or set MATRICULE_POSTGRES_BIN to its programs."
}

# need_node MAJOR
need_node() {
  command -v npm >/dev/null || install_packages "for the demo relying party" "nodejs npm" node
  local major
  major=$(node --version | sed 's/^v//; s/\..*//')
  [ "$major" -ge "$1" ] || die "Node $major is too old: $1 or later is needed (https://nodejs.org)."
}

# What the test needs that has our checkpoints verified by the Go project's own packages.
need_go() {
  if command -v go >/dev/null; then
    # Elsewhere than on Debian, Go fetches the packages itself.
    if [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || ! command -v apt-get >/dev/null; then return; fi
  fi
  install_packages "public tools that verify checkpoints" "golang-go golang-golang-x-mod-dev" go
}

need_openssl() {
  command -v openssl >/dev/null || install_packages "the tests of timestamps and of the outside verifier" openssl openssl
}

# The outside verifier of audit bundles needs nothing but its standard library.
need_python() {
  command -v python3 >/dev/null || install_packages "the outside verifier of audit bundles" python3 python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || die "Python 3.9 or later is needed."
}

# The relying parties of tests/integration/relying_parties that are packaged: both run on a port of their own, as www-data.
need_relying_parties() {
  local missing=""
  command -v apache2 >/dev/null || missing="apache2"
  compgen -G '/usr/lib*/apache2/modules/mod_auth_openidc.so' >/dev/null || missing="$missing libapache2-mod-auth-openidc"
  # With what it recommends: the portal's own libraries are among that.
  [ -f /usr/share/perl5/Lemonldap/NG/Portal.pm ] || missing="$missing lemonldap-ng"
  command -v faketime >/dev/null || missing="$missing faketime"
  [ -z "$missing" ] && return
  command -v apt-get >/dev/null || die "The tests of relying parties need Debian's packages $missing, or the same installed otherwise."
  install_packages "real relying parties to test against" "$missing" ""
}

# python_environment NAME REQUIREMENTS: an environment of its own under target/python, with exactly what the file names.
python_environment() {
  local place="target/python/$1"
  if [ ! -f "$place/requirements.txt" ] || ! cmp -s "$2" "$place/requirements.txt"; then
    command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null ||
      install_packages "Python, for relying parties and checks of the API" "python3 python3-venv" python
    say "Installing the Python packages of $2"
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$2"
    cp "$2" "$place/requirements.txt"
  fi
}

need_chromium() {
  [ -n "${CHROMIUM:-}" ] && return
  CHROMIUM=$(find_chromium)
  if [ -z "$CHROMIUM" ]; then
    # Homebrew no longer installs Chromium, which is not signed for macOS.
    install_packages "the browser tests" chromium "--cask google-chrome"
    CHROMIUM=$(find_chromium)
    [ -n "$CHROMIUM" ] || die "Chromium was installed and is not found: set CHROMIUM to its program."
  fi
  export CHROMIUM
}

find_chromium() {
  local found
  for found in chromium chromium-browser google-chrome; do
    command -v "$found" && return
  done
  for found in Chromium "Google Chrome"; do
    found="/Applications/$found.app/Contents/MacOS/$found"
    if [ -x "$found" ]; then
      printf '%s\n' "$found"
      return
    fi
  done
}

# node_modules DIRECTORY: installs exactly what its lock file names.
node_modules() {
  local stamp="$1/node_modules/.package-lock.json"
  if [ ! -f "$stamp" ] || [ "$1/package-lock.json" -nt "$stamp" ]; then
    say "Installing the Node packages of $1"
    (cd "$1" && npm ci --silent --no-audit --no-fund)
  fi
}
