#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# seconds: 600
# Members of a cluster of trackers die, hang and are cut off in the middle of waves (cluster_waves.py).
exec "$(dirname "$0")/cluster_waves.py" "$@"
