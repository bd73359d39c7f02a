/*
 * Sends UDP packets of new flows through a node made of network namespaces, and says how long the kernel took over them or
 * what became of each.
 *
 *     flood time   <client> <node> <server> <cpu> <packets>
 *     flood answer <client> <node> <server> <cpu> <packets>
 *
 * client, node and server are names under /run/netns; each has its device eth0. packets is a file of twelve bytes a packet:
 * source, destination, source port, destination port, in network byte order. Everything runs on one CPU: a frame sent to a
 * veth is processed there before the sender goes on, so the time of the whole is the time of the packets.
 *
 * `time` empties the node's conntrack before and after and prints one line: nanoseconds, packets sent, packets the node's
 * IP received, packets that came in by the server's eth0. `answer` sends packet by packet and prints a line for each:
 * "server SRC DST SPORT DPORT" with numbers, "icmp TYPE CODE" or "none".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define IN_FLIGHT 512
#define PAYLOAD 32
#define PATIENCE_NS 2000000000LL
#define ANSWER_MS 20

struct flow {
	uint32_t src, dst;
	uint16_t sport, dport;
};

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	char payload[PAYLOAD];
} __attribute__((packed));

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void enter(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "/run/netns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

/* A file of /proc/net keeps showing the namespace it was opened in. */
static int open_proc(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static const char *reread(int fd)
{
	static char text[8192];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	if (n < 0)
		die("read");
	text[n] = 0;
	return text;
}

/* IpInReceives: the third value of the second line of "Ip:". */
static long long ip_received(int fd)
{
	const char *line = strstr(reread(fd), "\nIp:");
	long long forwarding, ttl, received = -1;
	/* The header is the first line of the file. */
	if (line == NULL || sscanf(line, "\nIp: %lld %lld %lld", &forwarding, &ttl, &received) != 3)
		die("/proc/net/snmp");
	return received;
}

static long long device_received(int fd)
{
	const char *line = strstr(reread(fd), "eth0:");
	long long bytes, packets;
	if (line == NULL || sscanf(line, "eth0: %lld %lld", &bytes, &packets) != 2)
		die("/proc/net/dev");
	return packets;
}

static void flush_conntrack(int fd)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg message;
	} request = {
		.header = { .nlmsg_len = sizeof request,
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.message = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 },
	};
	char answer[4096];
	/* Without conntrack in the namespace, or in the kernel, there is nothing to empty. */
	if (send(fd, &request, sizeof request, 0) == sizeof request)
		recv(fd, answer, sizeof answer, 0);
}

static int open_packet(int protocol, int bind_it)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(protocol));
	if (fd < 0)
		die("packet socket");
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(protocol),
				       .sll_ifindex = if_nametoindex("eth0") };
	if (bind_it && bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		die("bind");
	return fd;
}

static void hardware_address(int fd, uint8_t *mac)
{
	struct ifreq request = { .ifr_name = "eth0" };
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		die("hardware address");
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

static uint16_t checksum(const void *data, int bytes)
{
	const uint16_t *words = data;
	uint32_t sum = 0;
	for (int i = 0; i < bytes / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return ~sum;
}

static void fill(struct frame *f, const uint8_t *from, const uint8_t *to, const struct flow *flow)
{
	memset(f, 0, sizeof *f);
	memcpy(f->eth.ether_shost, from, 6);
	memcpy(f->eth.ether_dhost, to, 6);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_UDP;
	f->ip.tot_len = htons(sizeof *f - sizeof f->eth);
	f->ip.saddr = flow->src;
	f->ip.daddr = flow->dst;
	f->ip.check = checksum(&f->ip, sizeof f->ip);
	f->udp.source = flow->sport;
	f->udp.dest = flow->dport;
	f->udp.len = htons(sizeof f->udp + PAYLOAD);
}

static void drain(int fd)
{
	char frame[2048];
	while (recv(fd, frame, sizeof frame, MSG_DONTWAIT) > 0)
		;
}

/* One frame that is an answer, if there is one. */
static int answer(int server, int client)
{
	char buffer[2048];
	struct sockaddr_ll from;
	socklen_t length = sizeof from;
	const struct frame *f = (const void *)buffer;
	ssize_t n = recv(server, buffer, sizeof buffer, MSG_DONTWAIT);
	if (n >= (ssize_t)(sizeof f->eth + sizeof f->ip + sizeof f->udp) && f->ip.protocol == IPPROTO_UDP) {
		printf("server %u %u %u %u\n", ntohl(f->ip.saddr), ntohl(f->ip.daddr), ntohs(f->udp.source),
		       ntohs(f->udp.dest));
		return 1;
	}
	n = recvfrom(client, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
	if (n >= (ssize_t)(sizeof f->eth + sizeof f->ip + 8) && from.sll_pkttype != PACKET_OUTGOING &&
	    f->ip.protocol == IPPROTO_ICMP) {
		const struct icmphdr *icmp = (const void *)(buffer + sizeof f->eth + sizeof f->ip);
		printf("icmp %u %u\n", icmp->type, icmp->code);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 7 || (strcmp(argv[1], "time") != 0 && strcmp(argv[1], "answer") != 0)) {
		fprintf(stderr, "usage: flood time|answer CLIENT NODE SERVER CPU PACKETS\n");
		return 2;
	}
	int timing = strcmp(argv[1], "time") == 0;

	int file = open(argv[6], O_RDONLY);
	struct stat stat;
	if (file < 0 || fstat(file, &stat) < 0)
		die(argv[6]);
	long count = stat.st_size / sizeof(struct flow);
	struct flow *flows = malloc(stat.st_size + 1);
	struct frame *frames = malloc(count * sizeof *frames + 1);
	if (flows == NULL || frames == NULL || read(file, flows, stat.st_size) != stat.st_size)
		die(argv[6]);

	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[5]), &cpus);
	if (sched_setaffinity(0, sizeof cpus, &cpus) < 0)
		die("affinity");

	uint8_t client_mac[6], node_mac[6];
	enter(argv[3]);
	int node_snmp = open_proc("/proc/thread-self/net/snmp");
	int conntrack = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	hardware_address(any, node_mac);
	close(any);
	enter(argv[4]);
	int server_dev = open_proc("/proc/thread-self/net/dev");
	int server = timing ? -1 : open_packet(ETH_P_IP, 1);
	enter(argv[2]);
	int client = timing ? -1 : open_packet(ETH_P_ALL, 1);
	int out = open_packet(0, 0);
	hardware_address(out, client_mac);
	int on = 1;
	if (setsockopt(out, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0)
		die("PACKET_QDISC_BYPASS");

	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = if_nametoindex("eth0"),
				  .sll_halen = 6 };
	for (long i = 0; i < count; i++)
		fill(&frames[i], client_mac, node_mac, &flows[i]);
	flush_conntrack(conntrack);

	if (!timing) {
		for (long i = 0; i < count; i++) {
			drain(server);
			drain(client);
			if (sendto(out, &frames[i], sizeof *frames, 0, (struct sockaddr *)&to, sizeof to) < 0)
				die("send");
			long long until = now() + ANSWER_MS * 1000000LL;
			int answered = 0;
			while (!(answered = answer(server, client)) && now() < until)
				;
			if (!answered)
				printf("none\n");
		}
		flush_conntrack(conntrack);
		return 0;
	}

	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < BATCH; i++) {
		parts[i].iov_len = sizeof(struct frame);
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &to,
						       .msg_namelen = sizeof to,
						       .msg_iov = &parts[i],
						       .msg_iovlen = 1 };
	}
	long long received = ip_received(node_snmp), arrived = device_received(server_dev);
	long long begun = now(), since = begun;
	long sent = 0, known = 0;
	while (known < count) {
		int batch = count - sent < BATCH ? count - sent : BATCH;
		for (int i = 0; i < batch; i++)
			parts[i].iov_base = &frames[sent + i];
		if (batch > 0) {
			int n = sendmmsg(out, messages, batch, 0);
			if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
				die("sendmmsg");
			sent += n < 0 ? 0 : n;
		}
		/* Ahead of the node by too much, or done: see how far it is. */
		while (sent == count ? known < count : sent - known > IN_FLIGHT) {
			long next = ip_received(node_snmp) - received;
			if (next != known)
				since = now();
			else if (now() - since > PATIENCE_NS)
				goto done;
			else
				sched_yield();
			known = next;
		}
	}
done:;
	long long took = now() - begun;
	printf("%lld %ld %ld %lld\n", took, sent, known, device_received(server_dev) - arrived);
	flush_conntrack(conntrack);
	return 0;
}
