#include "address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace tfdgan {

int Address::port() const {
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

std::string Address::host() const {
  if (family() == AF_INET6) {
    const in6_addr& ip = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
    const char* const bytes = reinterpret_cast<const char*>(&ip);
    return IN6_IS_ADDR_V4MAPPED(&ip) ? std::string(bytes + 12, 4) : std::string(bytes, sizeof ip);
  }
  const in_addr& ip = reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr;
  return std::string(reinterpret_cast<const char*>(&ip), sizeof ip);
}

Address AddressOf(const std::string& ip, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(ip.c_str(), std::to_string(port).c_str(), &hints, &found)) {
    throw std::system_error(EINVAL, std::generic_category(), "gossip: no IP address in digits: " + ip);
  }
  Address address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

Address AddressOfDoor(const std::string& name) {
  Address address;
  sockaddr_un& here = reinterpret_cast<sockaddr_un&>(address.storage);
  here.sun_family = AF_UNIX;
  name.copy(here.sun_path + 1, sizeof here.sun_path - 1);  // after a zero: a name of no file
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

}  // namespace tfdgan
