"""``make demo``: the real daemon at its main job, in a private network namespace."""
