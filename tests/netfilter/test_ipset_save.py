"""Sets as ipset save prints them."""

from ipaddress import ip_address, ip_network

from lvsmarkd.model.fields import Interval
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import Element
from lvsmarkd.netfilter.ipset_save import sets_of

LISTING = """create vips hash:ip,port family inet hashsize 1024 maxelem 65536 skbinfo
add vips 10.0.0.1,tcp:80 skbmark 0x50/0xffffffff
add vips 10.0.0.2,udp:53-60 skbmark 0x10/0xff comment "an it's"
create nets hash:net family inet6 hashsize 1024 maxelem 65536 timeout 60
add nets 2001:db8::/64 timeout 59
add nets 2001:db8:1::/64 nomatch
create hosts bitmap:ip range 10.0.0.0-10.0.0.255
add hosts 10.0.0.1-10.0.0.9
create both list:set size 8
add both nets
create pairs hash:net,iface family inet
add pairs 10.0.0.0/8,eth0
create odd hash:ip,port,net family inet
add odd 10.0.0.1,nosuch:80,10.0.0.0/8
"""


def test_elements_have_the_parts_that_the_type_of_the_set_names() -> None:
    sets = sets_of(LISTING)
    one = ip_network("10.0.0.1/32")
    assert sets["vips"].types == ("ip", "port")
    first, second = sets["vips"].elements or ()
    assert first == Element((one, (6, Interval(80, 80))), 80)
    assert second.key == (ip_network("10.0.0.2/32"), (17, Interval(53, 60)))
    assert (second.data, second.words) == (SetMark(0x10, 0xFF), ())
    assert sets["nets"].elements == (
        Element(ip_network("2001:db8::/64")),
        Element(ip_network("2001:db8:1::/64"), excepted=True),
    )
    hosts = Interval(ip_address("10.0.0.1"), ip_address("10.0.0.9"))
    assert sets["hosts"].elements == (Element(hosts),)
    assert sets["both"].elements == (Element("nets"),)
    assert sets["pairs"].elements == (Element((ip_network("10.0.0.0/8"), "eth0")),)


def test_an_element_that_is_not_understood_keeps_its_words() -> None:
    (odd,) = sets_of(LISTING)["odd"].elements or ()
    assert odd.words == ("10.0.0.1,nosuch:80,10.0.0.0/8",)


def test_no_set_is_none_and_nonsense_is_none() -> None:
    assert sets_of("") == {}
    assert sets_of('what is "this\n') == {}
