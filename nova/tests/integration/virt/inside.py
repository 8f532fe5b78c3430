# SPDX-License-Identifier: Apache-2.0
"""Run test modules in a process with green threads: python -m nova.tests.integration.virt.inside MODULE…"""

from nova import concurrency

concurrency.monkey_patch()

import sys  # noqa: E402  (patching comes first)
import unittest  # noqa: E402

if __name__ == '__main__':
    unittest.main(module=None, argv=[sys.argv[0], '--verbose', *sys.argv[1:]])
