"""keepalived.conf as keepalived reads it: physical lines, logical lines, blocks, configuration.

One stage per module: `physical`, `comments`, `expansion`, `includes` and `logical` make one
sequence of logical lines (`transcript`); `blocks` walks it with the keywords of one process;
`checker` and `vrrp` keep what that process would; `services` is what reaches IPVS.
"""
