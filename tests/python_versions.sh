#!/usr/bin/env bash
# Tests the core on each of the Python versions given: bash tests/python_versions.sh 3.12 3.13
#
# A version is taken from PATH, from pyenv or, where uv is installed, from uv. A version that none of
# them has is skipped; a version that fails its set-up or its tests makes the exit status 1.
set -uo pipefail
cd "$(dirname "$0")/.."

TESTS=(tests/tasks tests/erm tests/synthesis tests/sandbox tests/test_public_api.py)
# Runs the embedded model, which needs the extra `local`.
NEEDS_A_MODEL=tests/test_public_api.py::test_the_readme_example_finds_the_palindrome

# Whether the interpreter $2 runs and is version $1. A pyenv shim exists for versions it cannot run.
is_version() {
  "$2" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1
}

# Prints an interpreter of version $1, or fails.
find_python() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python"$1"; do
    if is_version "$1" "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  command -v uv >/dev/null || return
  uv python install --quiet "$1" >/dev/null 2>&1
  candidate=$(uv python find "$1" 2>/dev/null)
  is_version "$1" "$candidate" && echo "$candidate"
}

# Makes .venv-python/$1 with the interpreter $2, unless it is newer than pyproject.toml.
prepare() {
  local environment=.venv-python/$1
  [ "$environment/.ready" -nt pyproject.toml ] && return
  rm -rf "$environment"
  "$2" -m venv "$environment" &&
    "$environment/bin/pip" install --quiet --disable-pip-version-check \
      --editable . pytest pytest-timeout hypothesis &&
    touch "$environment/.ready"
}

passed=() failed=() skipped=()
for version in "$@"; do
  if ! python=$(find_python "$version"); then
    echo "Python $version: skipped, since neither PATH nor pyenv nor uv provides it"
    skipped+=("$version")
    continue
  fi
  echo "Python $version: testing with $python"
  if prepare "$version" "$python" &&
    ".venv-python/$version/bin/python" -m pytest "${TESTS[@]}" --deselect "$NEEDS_A_MODEL"; then
    passed+=("$version")
  else
    failed+=("$version")
  fi
done

echo "passed: ${passed[*]:-none}; failed: ${failed[*]:-none}; skipped: ${skipped[*]:-none}"
# Nothing tested is no success either.
[ ${#failed[@]} -eq 0 ] && [ ${#passed[@]} -gt 0 ]
