# SPDX-License-Identifier: Apache-2.0
"""Measurements of swarms on real links and disks, beside other clients. Start: scripts/bench."""
