# SPDX-License-Identifier: Apache-2.0
"""serve.py PORT MODULE: the `application` of a module on a loopback port, with threads."""

import importlib
import sys

import waitress


def main():
    port, module = sys.argv[1:]
    # The applications read options from the command line, which is ours.
    del sys.argv[1:]
    waitress.serve(importlib.import_module(module).application, host='127.0.0.1', port=int(port), threads=8)


if __name__ == '__main__':
    main()
