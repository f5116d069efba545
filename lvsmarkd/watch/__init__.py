"""Sources of wake-ups: each says why to look, never what is there."""
