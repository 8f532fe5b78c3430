# SPDX-License-Identifier: Apache-2.0
"""Sphinx settings.  `sphinx-build -W -b html doc/source doc/build/html`, and `-b man` for the man pages."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_ext'))

project = 'nova'
author = 'The authors of this project'
copyright = author  # noqa: A001  Sphinx's name
extensions = ['oslo_config.sphinxext', 'microversion_table', 'state_table', 'fault_table', 'notification_tables',
              'server_actions', 'support_matrix', 'guest_shapes']
exclude_patterns = []
html_theme = 'alabaster'
html_theme_options = {'description': 'Servers on demand, over the OpenStack Compute API', 'fixed_sidebar': True}
nitpicky = False
man_pages = [(f'cli/{path.stem}', path.stem, path.read_text().splitlines()[0].strip('= ') or path.stem, '', 1)
             for path in sorted((pathlib.Path(__file__).parent / 'cli').glob('nova-*.rst'))]
