# SPDX-License-Identifier: Apache-2.0
"""What users may ask of servers, one module for each subject; `nova.compute.api.API` is all of them together.

Each verb has the same phases: *state* (the table), *world* (reads only), *record* (one transaction; from here on things
exist), *ring* (a cast that only wakes somebody up: the order is in the database).
"""
