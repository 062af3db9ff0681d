"""What all tests share."""

import os

from hypothesis import settings
from importlib_metadata import entry_points

# The plugins that somebody has installed beside llmplan are not under test. Asked before llmplan reads the entry points, and
# only where there are some: messages about unknown names mention the variable where it is set.
if any(entry.dist.name != "llmplan" for entry in entry_points() if entry.group.startswith("llmplan.")):
    os.environ["LLMPLAN_PLUGINS"] = ""

# A shared machine stalls now and then, which says nothing about a property.
settings.register_profile("shared", deadline=None, print_blob=True)
settings.load_profile("shared")
