/*
 * Stands between keepalived and libnl (LD_PRELOAD), so that its checker can be asked what it
 * programmes on a machine without ip_vs: every IPVS command is acknowledged and none is sent.
 *
 * Each new service by firewall mark becomes one line, "FAMILY MARK", in the file named by
 * ORACLE_SERVICES. The checker sends all of them before it first waits for events, and at that
 * point everything is killed: the oracle needs no patience. Where ORACLE_STAYS is set, keepalived
 * goes on instead, as on a director. Where ORACLE_INSTANCES is set, it is the VRRP process that is
 * asked: it has told all of its instances in its log when it first waits.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ip_vs.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

/* Any number that no registered family has. */
enum { IPVS_FAMILY = 0x7fff };

extern pid_t oracle_parent;

static struct nl_sock *ipvs_socket;
static int *acknowledged;

#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

int genl_ctrl_resolve(struct nl_sock *socket, const char *name)
{
	if (strcmp(name, IPVS_GENL_NAME) != 0)
		return REAL(genl_ctrl_resolve)(socket, name);
	ipvs_socket = socket;
	return IPVS_FAMILY;
}

int nl_socket_modify_cb(struct nl_sock *socket, enum nl_cb_type type, enum nl_cb_kind kind,
			nl_recvmsg_msg_cb_t callback, void *argument)
{
	/* keepalived waits until its callback for ACK sets the flag that it gives here. */
	if (socket == ipvs_socket && type == NL_CB_ACK)
		acknowledged = argument;
	return REAL(nl_socket_modify_cb)(socket, type, kind, callback, argument);
}

static void record(struct nlattr *service)
{
	uint16_t family = 0;
	uint32_t mark = 0;
	struct nlattr *attribute;
	int left;
	FILE *services;

	nla_for_each_nested(attribute, service, left) {
		if (nla_type(attribute) == IPVS_SVC_ATTR_AF)
			family = nla_get_u16(attribute);
		else if (nla_type(attribute) == IPVS_SVC_ATTR_FWMARK)
			mark = nla_get_u32(attribute);
	}
	if (mark == 0 || (services = fopen(getenv("ORACLE_SERVICES"), "a")) == NULL)
		return;
	fprintf(services, "%s %u\n", family == AF_INET6 ? "inet6" : "inet", mark);
	fclose(services);
}

int nl_send_auto(struct nl_sock *socket, struct nl_msg *message)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct nlattr *service;

	if (socket != ipvs_socket || header->nlmsg_type != IPVS_FAMILY)
		return REAL(nl_send_auto)(socket, message);
	service = nlmsg_find_attr(header, GENL_HDRLEN, IPVS_CMD_ATTR_SERVICE);
	if (((struct genlmsghdr *)nlmsg_data(header))->cmd == IPVS_CMD_NEW_SERVICE && service)
		record(service);
	return (int)header->nlmsg_len;
}

int nl_recvmsgs_default(struct nl_sock *socket)
{
	if (socket != ipvs_socket)
		return REAL(nl_recvmsgs_default)(socket);
	if (acknowledged)
		*acknowledged = 1;
	return 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int size, int timeout)
{
	siginfo_t child;

	if (getenv("ORACLE_STAYS"))
		return REAL(epoll_wait)(epoll, events, size, timeout);
	if (ipvs_socket || (getenv("ORACLE_INSTANCES") && getpid() != oracle_parent)) {
		/* The child that is asked: its parent goes first, or it would mourn. Where that is gone
		 * already, we belong to the one that stands by.
		 */
		if (getppid() == oracle_parent)
			kill(oracle_parent, SIGKILL);
		_exit(0);
	}
	/* The parent, which has found nothing at all for its child and so started none. */
	if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD)
		_exit(0);
	return REAL(epoll_wait)(epoll, events, size, timeout);
}
