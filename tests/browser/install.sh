#!/usr/bin/env bash
# Installs the browser that the tests of the app drive, on Debian: as root, or through sudo. See chromium.py.
exec "$(dirname "$0")/../install.sh" chromium
