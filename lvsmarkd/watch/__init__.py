"""Sources of wake-ups: each tells that a look is worth it, and why, never what there is to see.

Each source has a file of its own, however short, under the name that metrics and journal give
it; `source` says what one is and how one that failed comes back.
"""
