import { createRequire } from "node:module";

/**
 * The few functions of the C library that the lab needs and Node does not offer: a thread's network namespace, raw and
 * packet sockets, error queues. Called on the main thread and never for long, so that nothing else runs meanwhile in a
 * foreign namespace. Constants are Linux's own (`<sched.h>`, `<bits/socket.h>`, `<linux/if_packet.h>`).
 */
export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  read(fd: number, bytes: Uint8Array, length: number): number;
  write(fd: number, bytes: Uint8Array, length: number): number;
  setns(fd: number, kind: number): number;
  setfsuid(uid: number): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: Uint8Array, length: Uint8Array, flags: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  getpeername(fd: number, address: Uint8Array, length: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  poll(fds: Uint8Array, count: number, timeoutMs: number): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array,
    toLength: number,
  ): number;
  sendmsg(fd: number, message: MessageHeader, flags: number): number;
  recv(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  recvfrom(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    from: Uint8Array,
    fromLength: Uint8Array,
  ): number;
  recvmsg(fd: number, message: MessageHeader, flags: number): number;
  ioctl(fd: number, request: number, value: Uint8Array): number;
  if_nametoindex(name: string): number;
  munmap(address: unknown, length: number): number;
}

/** `struct msghdr`, its pointers as the buffers they point to. */
export interface MessageHeader {
  msg_name: Uint8Array | null;
  msg_namelen: number;
  msg_iov: { iov_base: Uint8Array; iov_len: number }[];
  msg_iovlen: number;
  msg_control: Uint8Array | null;
  msg_controllen: number;
  msg_flags: number;
}

const PROTOTYPES: Readonly<Record<keyof Libc, string>> = {
  open: "int open(const char *path, int flags)",
  close: "int close(int fd)",
  read: "int64_t read(int fd, uint8_t *bytes, size_t length)",
  write: "int64_t write(int fd, const uint8_t *bytes, size_t length)",
  setns: "int setns(int fd, int kind)",
  setfsuid: "int setfsuid(uint32_t uid)",
  socket: "int socket(int family, int type, int protocol)",
  bind: "int bind(int fd, const uint8_t *address, uint32_t length)",
  connect: "int connect(int fd, const uint8_t *address, uint32_t length)",
  listen: "int listen(int fd, int backlog)",
  accept4: "int accept4(int fd, uint8_t *address, uint8_t *length, int flags)",
  getsockname: "int getsockname(int fd, uint8_t *address, uint8_t *length)",
  getpeername: "int getpeername(int fd, uint8_t *address, uint8_t *length)",
  setsockopt: "int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)",
  getsockopt: "int getsockopt(int fd, int level, int name, uint8_t *value, uint8_t *length)",
  poll: "int poll(_Inout_ uint8_t *fds, unsigned long count, int timeout)",
  send: "int64_t send(int fd, const uint8_t *bytes, size_t length, int flags)",
  sendto:
    "int64_t sendto(int fd, const uint8_t *bytes, size_t length, int flags, const uint8_t *to, uint32_t toLength)",
  sendmsg: "int64_t sendmsg(int fd, const hopscope_msghdr *message, int flags)",
  recv: "int64_t recv(int fd, uint8_t *bytes, size_t length, int flags)",
  recvfrom:
    "int64_t recvfrom(int fd, uint8_t *bytes, size_t length, int flags, uint8_t *from, uint8_t *fromLength)",
  recvmsg: "int64_t recvmsg(int fd, _Inout_ hopscope_msghdr *message, int flags)",
  ioctl: "int ioctl(int fd, unsigned long request, uint8_t *value)",
  if_nametoindex: "unsigned int if_nametoindex(const char *name)",
  munmap: "int munmap(void *address, size_t length)",
};

interface Koffi {
  load(path: string): { func(prototype: string): (...args: unknown[]) => never };
  view(pointer: unknown, length: number): ArrayBuffer;
  address(pointer: unknown): bigint;
  struct(name: string, fields: Readonly<Record<string, unknown>>): unknown;
  errno(): number;
}

export interface LoadedLibc extends Libc {
  /** What `errno` was after the last call. */
  errno(): number;
  /**
   * Memory that the kernel and we share, by mmap(2), for reading and writing; null where it cannot be had. `address` is
   * for `munmap`, after which nothing may look at `memory`.
   */
  shared(fd: number, length: number): { readonly address: unknown; readonly memory: ArrayBuffer } | null;
}

/** mmap(2) */
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

let loaded: LoadedLibc | null = null;

/**
 * Loads the C library once.
 *
 * @throws Error saying what is missing, where the optional package is not installed or the machine is no Linux
 */
export function libc(): LoadedLibc {
  if (loaded !== null) return loaded;
  if (process.platform !== "linux") throw new Error("the lab needs Linux: it builds network namespaces");
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)("koffi") as Koffi;
  } catch {
    throw new Error("the lab needs the optional package koffi: npm install without --omit=optional");
  }
  koffi.struct("hopscope_iovec", { iov_base: "uint8_t *", iov_len: "size_t" });
  koffi.struct("hopscope_msghdr", {
    msg_name: "uint8_t *",
    msg_namelen: "uint32_t",
    msg_iov: "hopscope_iovec *",
    msg_iovlen: "size_t",
    msg_control: "uint8_t *",
    msg_controllen: "size_t",
    msg_flags: "int",
  });
  const library = koffi.load("libc.so.6");
  const functions = Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]),
  ) as unknown as Libc;
  const mmap = library.func(
    "void *mmap(void *at, size_t length, int access, int flags, int fd, int64_t offset)",
  );
  const shared: LoadedLibc["shared"] = (fd, length) => {
    const address: unknown = mmap(null, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (koffi.address(address) === MAP_FAILED) return null;
    return { address, memory: koffi.view(address, length) };
  };
  loaded = { ...functions, errno: () => koffi.errno(), shared };
  return loaded;
}

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
/** Or-ed to a socket's type: calls return at once. */
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const CLONE_NEWNET = 0x4000_0000;
export const MSG_ERRQUEUE = 0x2000;

/** Numbers of errors that a probe can meet, by name (`<asm-generic/errno.h>`). */
export const ERRNO = {
  EPERM: 1,
  EAGAIN: 11,
  EINVAL: 22,
  EMSGSIZE: 90,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
  EACCES: 13,
  EPROTO: 71,
  ENOPROTOOPT: 92,
} as const;

export type ErrorName = keyof typeof ERRNO;

export function errorName(number: number): ErrorName | `E${number}` {
  for (const [name, value] of Object.entries(ERRNO)) if (value === number) return name as ErrorName;
  return `E${number}`;
}
