#!/usr/bin/env bash
# Sets up .venv, then trains both models in both styles and prints the table of their accuracies.
#
#   ./run_all.sh [--quick] [...]   all arguments go on to `python -m compare accuracy`
#   ./run_all.sh test [...]        runs the tests instead; all other arguments go on to pytest
#
# Needs Python 3.10 to 3.13. On a machine with an NVIDIA driver TensorFlow comes with CUDA.
set -euo pipefail

root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
venv=$root/.venv
unset PYTHONPATH PYTHONHOME

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys, ensurepip, venv
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "no Python 3.10 to 3.13 with venv on PATH; install one (Debian: apt install python3-venv)" >&2
  exit 2
}

set_up() {
  local packages=(-r "$root/requirements.txt") stamp python
  if nvidia-smi >/dev/null 2>&1; then
    packages+=("tensorflow[and-cuda]")
  fi
  stamp="$(cksum <"$root/requirements.txt") ${packages[*]:2}"
  # The stamp is written last, so an installation that was cut short is done again. It is compared
  # by its beginning: one with CUDA serves where no driver is seen, too.
  if [[ "$(cat "$venv/installed" 2>/dev/null)" = "$stamp"* ]] && "$venv/bin/python" -c '' 2>/dev/null; then
    return
  fi
  python=$(find_python)
  echo "installing TensorFlow and what else is needed into $venv (once, a minute or two)" >&2
  "$python" -m venv --clear "$venv"
  if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" >&2; then
    echo "the installation failed; it needs the network, and about 3 GB of disk" >&2
    exit 2
  fi
  echo "$stamp" >"$venv/installed"
}

set_up
if [ "${1:-}" = test ]; then
  shift
  # The tests run in the project's folder; what is named relative to this one has to stay found.
  if [ -n "${TWINS_DATA_DIR:-}" ]; then
    TWINS_DATA_DIR=$(cd -- "$TWINS_DATA_DIR" && pwd) || exit 2
    export TWINS_DATA_DIR
  fi
  cd "$root"
  exec "$venv/bin/python" -m pytest "$@"
fi
PYTHONPATH=$root exec "$venv/bin/python" -m compare accuracy "$@"
