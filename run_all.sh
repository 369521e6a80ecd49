#!/usr/bin/env bash
# Sets up .venv, trains both models in both styles, and prints a table of their accuracies.
#
#   ./run_all.sh [--quick] [...]   passes all arguments to `python -m compare accuracy`
#   ./run_all.sh --device=gpu      the same on a GPU, and then measures the steps of all models on it
#   ./run_all.sh old old.py [...]  runs an old TensorFlow 1 program, unchanged, in this folder
#   ./run_all.sh test [...]        runs the tests; passes all other arguments to pytest
#   ./run_all.sh legacy [...]      also sets up .venv-tf115 with TensorFlow 1.15.5, and runs the
#                                  tests that need it
#
# Needs Python 3.10 to 3.13. On a machine with an NVIDIA driver, installs TensorFlow with CUDA.
# TensorFlow 1.15.5 needs Python 3.7. The script looks for it in TF115_PYTHON, on PATH and in pyenv,
# and exits with 69 if there is none.
set -euo pipefail

root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
venv=$root/.venv
path=${PYTHONPATH:-} # for old programs alone
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

find_python37() {
  local candidate
  for candidate in ${TF115_PYTHON:+"$TF115_PYTHON"} python3.7 \
    "${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo ~/.pyenv)}"/versions/3.7.*/bin/python; do
    if "$candidate" -c 'import sys, ensurepip, venv
sys.exit(sys.version_info[:2] != (3, 7))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "no Python 3.7, which TensorFlow 1.15.5 needs; install one (pyenv install 3.7), or set" \
    "TF115_PYTHON to its path" >&2
  exit 69
}

# install FOLDER FINDER REQUIREMENTS [PACKAGE...]: creates a virtual environment, once.
install() {
  local folder=$1 finder=$2 requirements=$3 stamp python quiet=--quiet
  shift 3
  stamp="$(cksum <"$requirements") $*"
  # The stamp is written last, so an interrupted installation is repeated. Only its beginning is
  # compared, because an installation with CUDA also works without a driver.
  if [[ "$(cat "$folder/installed" 2>/dev/null)" = "$stamp"* ]] && "$folder/bin/python" -c '' 2>/dev/null; then
    return
  fi
  python=$("$finder")
  echo "installing TensorFlow and the other packages into $folder (once, a minute or two)" >&2
  if [ -t 2 ]; then
    quiet= # pip shows its progress on a terminal
  fi
  "$python" -m venv --clear "$folder"
  if ! "$folder/bin/python" -m pip install ${quiet:+"$quiet"} --disable-pip-version-check -r "$requirements" "$@" >&2; then
    echo "the installation failed; it needs the network, and about 3 GB of disk" >&2
    exit 2
  fi
  echo "$stamp" >"$folder/installed"
}

# add_legacy: adds the libraries that keep old programs alive, once.
add_legacy() {
  local requirements=$root/requirements-legacy.txt stamp
  stamp=$(cksum <"$requirements")
  if [ "$(cat "$venv/added" 2>/dev/null)" = "$stamp" ]; then
    return
  fi
  echo "adding the libraries for old programs to $venv (once)" >&2
  if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" >&2; then
    echo "the installation failed; it needs the network, and about 200 MB of disk" >&2
    exit 2
  fi
  echo "$stamp" >"$venv/added"
}

run_tests() {
  # The tests run in the project's folder, so a relative path becomes an absolute one.
  if [ -n "${TWINS_DATA_DIR:-}" ]; then
    TWINS_DATA_DIR=$(cd -- "$TWINS_DATA_DIR" && pwd) || exit 2
    export TWINS_DATA_DIR
  fi
  cd "$root"
  exec "$venv/bin/python" -m pytest "$@"
}

# on_gpu [OPTION...]: the accuracies and the parity of the twins, and then the benchmark, on a GPU.
on_gpu() {
  local option status=0 of_bench=()
  for option in "$@"; do
    case $option in
      --quick | --device=* | --data_dir=* | --dataset=*) of_bench+=("$option") ;;
    esac
  done
  export PYTHONPATH=$root
  "$venv/bin/python" -m compare accuracy "$@" || status=$?
  if [ $status -gt 1 ]; then # no GPU, or a wrong option
    exit $status
  fi
  "$venv/bin/python" -m compare bench --part=steps "${of_bench[@]}" || status=$?
  exit $status
}

command=${1:-}
if [ "$command" = legacy ]; then
  install "$root/.venv-tf115" find_python37 "$root/tests/requirements-tf115.txt"
fi
cuda=()
if nvidia-smi >/dev/null 2>&1; then
  cuda=("tensorflow[and-cuda]")
fi
install "$venv" find_python "$root/requirements.txt" ${cuda[@]+"${cuda[@]}"}
case $command in
  old | test | legacy) add_legacy ;;
esac
case $command in
  old) PYTHONPATH=$root${path:+:$path} exec "$venv/bin/python" -m tf1_style.run "${@:2}" ;;
  test) run_tests "${@:2}" ;;
  legacy) run_tests -m 'legacy and not accuracy' "${@:2}" ;;
esac
case " $* " in
  *" --device=gpu"*) on_gpu "$@" ;;
  *) PYTHONPATH=$root exec "$venv/bin/python" -m compare accuracy "$@" ;;
esac
