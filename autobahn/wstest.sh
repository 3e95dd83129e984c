#!/usr/bin/env bash
# Installs wstest of the Autobahn suite in autobahn/.venv and prints its path. If it
# is installed already, it only prints the path.
#
# The suite needs Python 2.7, which distributions no longer have. This script looks
# for python2.7 on PATH and in the versions of pyenv. The packages come from PyPI, in
# the versions of requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

venv=$PWD/.venv
# The last version of virtualenv without dependencies. It includes pip for Python
# 2.7.
virtualenv='virtualenv==16.7.12'
# Masking and UTF-8 validation in C. With it, section 9 takes a fifth of the time.
accelerator='wsaccel==0.6.6'

# No warnings that Python 2.7 is no longer supported.
export PIP_NO_PYTHON_VERSION_WARNING=1 PYTHONWARNINGS=ignore PIP_DISABLE_PIP_VERSION_CHECK=1

say() { echo "autobahn/wstest.sh: $*" >&2; }

# python27 prints the path of a Python 2.7. It runs each candidate, since pyenv's
# python2.7 on PATH is a script that fails unless that version is selected.
python27() {
    local candidate
    for candidate in python2.7 ~/.pyenv/versions/2.7*/bin/python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "no Python 2.7: neither python2.7 on PATH nor ~/.pyenv/versions/2.7*/bin/python runs;" \
        "install one (pyenv install 2.7.18), start Docker, or set WSTEST to a wstest"
    return 1
}

build() {
    local python
    python=$(python27)
    say "installing in $venv with $python"
    rm -rf "$venv"
    "$python" -m pip install --quiet --target "$venv/bootstrap" "$virtualenv"
    PYTHONPATH=$venv/bootstrap "$python" -m virtualenv --quiet "$venv"
    "$venv/bin/pip" install --quiet --no-deps --requirement requirements.txt
    "$venv/bin/pip" install --quiet --no-deps --no-build-isolation "$accelerator" ||
        say "$accelerator does not compile here: wstest runs without it and is slower"
    "$venv/bin/wstest" --autobahnversion
}

# The recipe is written last, so that it is there only if the rest is complete.
recipe() { cat wstest.sh requirements.txt; }
if ! recipe | cmp -s - "$venv/recipe"; then
    build >&2
    recipe >"$venv/recipe"
fi
echo "$venv/bin/wstest"
