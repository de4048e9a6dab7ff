// Addresses from text: of the internet, either version, and of doors on this host.
#ifndef TFDGAN_TRANSPORT_ADDRESS_H_
#define TFDGAN_TRANSPORT_ADDRESS_H_

#include <sys/socket.h>

#include <string>

namespace tfdgan {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  int port() const;
  // The host's part, the same for an IPv4 address and for that address in IPv6's clothes.
  std::string host() const;
};

// `ip` in digits, such as "10.0.0.1" or "fe80::1%eth0". Throws std::system_error.
Address AddressOf(const std::string& ip, int port);
// Of a name on this host, and in this process's network namespace, that no file stands for.
Address AddressOfDoor(const std::string& name);

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_ADDRESS_H_
