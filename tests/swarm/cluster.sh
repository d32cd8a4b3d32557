#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# Trackers that answer for each other, in namespaces (cluster.py).
exec "$(dirname "$0")/cluster.py" "$@"
