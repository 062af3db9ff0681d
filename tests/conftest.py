"""What all tests share."""

import os

from hypothesis import settings

# The plugins that somebody has installed beside llmplan are not under test. Set before anything reads the entry points.
os.environ["LLMPLAN_PLUGINS"] = ""

# A shared machine stalls now and then, which says nothing about a property.
settings.register_profile("shared", deadline=None, print_blob=True)
settings.load_profile("shared")
