/**
 * The script that `collect` prints: what a node's kernel holds of its network, in the words of the node's own tools, behind
 * prompts that tell them apart. POSIX sh only (dash, BusyBox), reading only: a tool that would load a kernel module to answer
 * is asked only where that module is there already.
 */
export const COLLECT_SCRIPT = String.raw`#!/bin/sh
# Dumps what this machine's kernel holds of its network, for "hopscope trace -f".
#
#   sh collect.sh > node1.txt     everything in one file
#   sh collect.sh node1           a file for each command, in the folder node1
#
# It reads only: nothing is changed, no module is loaded, nothing leaves the machine but what it prints.
# Rules, sets and virtual servers only root may see: without root they are left out, and said so.

set -u
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
LC_ALL=C
export PATH LC_ALL
umask 077

say() {
  echo "collect: $*" >&2
}

folder=
if [ $# -gt 1 ] || [ "${"$"}{1:-}" = -h ] || [ "${"$"}{1:-}" = --help ]; then
  echo "usage: sh collect.sh > FILE, or: sh collect.sh FOLDER" >&2
  exit 2
fi
if [ $# -eq 1 ]; then
  folder=$1
  mkdir -p "$folder" || exit 1
fi

is_root=no
[ "$(id -u)" = 0 ] && is_root=yes

# A part of the kernel is there: loaded, or built in where there are no modules at all.
has_module() {
  [ -d "/sys/module/$1" ] || [ ! -s /proc/modules ]
}

has_tool() {
  command -v "$1" >/dev/null 2>&1
}

# A command that fails says nothing of the machine: an empty answer would.
print() {
  echo "\$ $*"
  "$@" 2>/dev/null || {
    echo "(failed)"
    say "failed: $*"
  }
}

# put FILE COMMAND...: the prompt, then what the command prints
put() {
  file=$1
  shift
  if [ -n "$folder" ]; then
    print "$@" >"$folder/$file"
  else
    print "$@"
    echo
  fi
}

# take FILE COMMAND...: where the tool is installed
take() {
  if has_tool "$2"; then
    put "$@"
  else
    shift
    say "left out: $* ($1 is not installed)"
  fi
}

# take_as_root MODULE FILE COMMAND...: what only root may see, of a part of the kernel that is there
take_as_root() {
  module=$1
  shift
  if ! has_module "$module"; then
    return 0
  fi
  if [ "$is_root" = yes ]; then
    take "$@"
  else
    shift
    say "left out: $* (only root may see it)"
  fi
}

hostname() {
  uname -n
}

put hostname.txt hostname
put uname.txt uname -r

# JSON where iproute2 has it; BusyBox and old versions print text only.
if ip -j addr show >/dev/null 2>&1; then
  take ip-addr.txt ip -j -d addr show
  take ip-link.txt ip -j -d link show
  take ip-route.txt ip -j route show table all
  take ip-rule.txt ip -j rule show
  take ip-6-rule.txt ip -6 -j rule show
  take ip-neigh.txt ip -j neigh show
elif ip -d addr show >/dev/null 2>&1; then
  take ip-addr.txt ip -d addr show
  take ip-route.txt ip route show table all
  take ip-rule.txt ip rule show
  take ip-6-rule.txt ip -6 rule show
  take ip-neigh.txt ip neigh show
else
  take ip-addr.txt ip addr show
  take ip-route.txt ip route show table all
  take ip-rule.txt ip rule show
  take ip-neigh.txt ip neigh show
fi
if bridge -j link show >/dev/null 2>&1; then
  take bridge-link.txt bridge -j -d link show
  take bridge-fdb.txt bridge -j fdb show
else
  take bridge-link.txt bridge -d link show
  take bridge-fdb.txt bridge fdb show
fi

# Queues, and filters where frames come in and leave. Text: the JSON of u32 names its matches all alike.
if has_tool tc; then
  take tc-qdisc.txt tc qdisc show
  tc qdisc show 2>/dev/null | sed -n 's/^qdisc \([a-z]*\) ffff: dev \([^ ]*\) .*/\1 \2/p' | while read -r kind dev; do
    take "tc-filter-$dev-ingress.txt" tc filter show dev "$dev" ingress
    [ "$kind" = clsact ] && take "tc-filter-$dev-egress.txt" tc filter show dev "$dev" egress
  done
fi

# Bridges of Open vSwitch, with the numbers of their ports, their flows and groups.
if has_tool ovs-vsctl && has_tool ovs-ofctl; then
  if [ "$is_root" = yes ]; then
    take ovs-vsctl.txt ovs-vsctl -t 5 show
    for bridge in $(ovs-vsctl -t 5 list-br 2>/dev/null); do
      # The oldest version of the protocol that the bridge speaks: newer ones write some actions as others. Groups came later.
      for version in 10 11 12 13 14 15; do
        ovs-ofctl -O "OpenFlow$version" show "$bridge" >/dev/null 2>&1 && break
      done
      take "ovs-show-$bridge.txt" ovs-ofctl -O "OpenFlow$version" show "$bridge"
      take "ovs-flows-$bridge.txt" ovs-ofctl -O "OpenFlow$version" dump-flows "$bridge"
      take "ovs-groups-$bridge.txt" ovs-ofctl -O OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15 dump-groups "$bridge"
    done
  else
    say "left out: ovs-vsctl show, ovs-ofctl dump-flows (only root may see it)"
  fi
fi

# Both kinds of iptables may be installed: the one with more rules is the one in use, as kube-proxy itself decides.
count() {
  if has_tool "$1"; then "$1" 2>/dev/null | grep -c '^-A'; else echo 0; fi
}
save=iptables-save
save6=ip6tables-save
if [ "$is_root" = yes ]; then
  legacy=$(count iptables-legacy-save)
  nft=$(count iptables-nft-save)
  if [ "$legacy" -gt "$nft" ]; then
    save=iptables-legacy-save
    save6=ip6tables-legacy-save
    [ "$nft" -gt 0 ] && say "note: iptables-nft has $nft rules beside: left out"
  elif [ "$nft" -gt 0 ]; then
    save=iptables-nft-save
    save6=ip6tables-nft-save
    [ "$legacy" -gt 0 ] && say "note: iptables-legacy has $legacy rules beside: left out"
  fi
  take iptables-save.txt "$save"
  take ip6tables-save.txt "$save6"
else
  say "left out: $save (only root may see it)"
fi
take_as_root ip_set ipset-save.txt ipset save
take_as_root ip_vs ipvsadm.txt ipvsadm -Sn
take_as_root ip_vs ipvsadm-nosort.txt ipvsadm -Ln --nosort
take_as_root nf_tables nft.txt nft -a list ruleset
# Who listens on the queues of NFQUEUE.
queues=/proc/net/netfilter/nfnetlink_queue
if [ -r "$queues" ]; then take nfnetlink-queue.txt cat "$queues"; fi

if has_tool ss; then
  take ss.txt ss -Htuln
else
  say "left out: ss -Htuln (ss is not installed): every port is taken to listen"
fi

# Without sysctl the files themselves say the same.
settings() {
  if has_tool sysctl; then
    sysctl -a 2>/dev/null | grep '^net\.'
  else
    find /proc/sys/net -type f 2>/dev/null | sort | while read -r path; do
      value=$(cat "$path" 2>/dev/null) && echo "${"$"}{path#/proc/sys/} = $value"
    done
  fi
}
if [ -n "$folder" ]; then
  { echo '$ sysctl -a'; settings; } >"$folder/sysctl.txt"
  say "wrote $folder"
else
  echo '$ sysctl -a'
  settings
fi
exit 0
`;
