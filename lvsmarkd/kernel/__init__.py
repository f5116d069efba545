"""What the kernel itself says: IPVS' services, policy routing. It is asked by netlink.

A room of its own beside `keepalived`: IPVS is the kernel's whoever programmes it, and both
questions share one small netlink dialogue.
"""

from lvsmarkd.kernel.ipvs import kernel_services
from lvsmarkd.kernel.rules import policy_rules

__all__ = ["kernel_services", "policy_rules"]
