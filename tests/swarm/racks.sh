#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# seconds: 300
# Racks on real links: what crosses uplinks, and that it works on when an importer is killed (racks.py).
exec "$(dirname "$0")/racks.py" "$@"
