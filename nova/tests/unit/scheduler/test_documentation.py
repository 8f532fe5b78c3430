# SPDX-License-Identifier: Apache-2.0
import pathlib
import unittest

from nova.scheduler import filters, weights

PAGE = pathlib.Path(__file__).resolve().parents[4] / 'doc' / 'source' / 'admin' / 'scheduling.rst'


class TestPage(unittest.TestCase):
    """The operator's page names all there is."""

    def test_every_filter_and_weigher_is_on_the_page(self):
        text = PAGE.read_text()
        missing = [cls.__name__ for cls in filters.all_filters() + weights.all_weighers()
                   if f'``{cls.__name__}``' not in text]
        self.assertEqual([], missing)

    def test_every_multiplier_is_on_the_page(self):
        text = PAGE.read_text()
        self.assertEqual([], [cls.option for cls in weights.all_weighers()
                              if getattr(cls, 'option', None) and f'``{cls.option}``' not in text])
