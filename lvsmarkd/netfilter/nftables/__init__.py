"""nf_tables in the kernel's own words: values, and messages of netlink made of them and read."""
